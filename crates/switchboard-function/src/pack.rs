//! A bundle as one file.

use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;

use crate::archive::Archive;

impl Archive {
    /// The files as a ZIP archive: the same bytes for the same files, wherever and whenever it is
    /// made, so that it has the same digest.
    ///
    /// # Errors
    ///
    /// The files are more than the format holds.
    pub fn zip(&self) -> Result<Vec<u8>, String> {
        let packed = || -> Result<Vec<u8>, ZipError> {
            let mut out = ZipWriter::new(Cursor::new(Vec::new()));
            for file in self.files() {
                let mode = if file.is_executable { 0o755 } else { 0o644 };
                // The earliest time that the format knows.
                let options = SimpleFileOptions::default()
                    .last_modified_time(zip::DateTime::default())
                    .unix_permissions(mode);
                out.start_file(&*file.name, options)?;
                out.write_all(&file.content)?;
            }
            Ok(out.finish()?.into_inner())
        };
        packed().map_err(|error| error.to_string())
    }
}
