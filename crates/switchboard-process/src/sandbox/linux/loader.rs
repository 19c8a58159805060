//! The program that loads a program.
//!
//! The kernel starts `/lib64/ld-linux-x86-64.so.2`, or whatever else a program names in its header, and
//! Landlock wants a right to execute that one as well.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Both the headers and the name stand at the beginning; linkers put them into the first page.
const HEAD_BYTES: u64 = 4096;

/// The loader that `program` names (elf(5), `PT_INTERP`). One that is linked statically has none.
pub(super) fn of(program: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    File::open(program).ok()?.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    parse(&head)
}

/// Reads the header of a 64-bit program in the byte order of the machine; others do not run on it.
pub(super) fn parse(head: &[u8]) -> Option<PathBuf> {
    const PT_INTERP: u64 = 3;
    if !head.starts_with(b"\x7fELF\x02") {
        return None;
    }
    let (table, size, count) = (number(head, 32, 8)?, number(head, 54, 2)?, number(head, 56, 2)?);
    for index in 0..count {
        let entry = table.checked_add(index.checked_mul(size)?)?;
        if number(head, entry, 4)? == PT_INTERP {
            let (start, length) = (number(head, entry + 8, 8)?, number(head, entry + 32, 8)?);
            let name = head.get(usize::try_from(start).ok()?..)?;
            let name = name.get(..usize::try_from(length).ok()?)?;
            let name = name.split(|byte| *byte == 0).next()?;
            return Some(OsString::from_vec(name.to_vec()).into());
        }
    }
    None
}

/// The number of `width` bytes at `offset`.
fn number(head: &[u8], offset: u64, width: usize) -> Option<u64> {
    let start = usize::try_from(offset).ok()?;
    let bytes = head.get(start..start.checked_add(width)?)?;
    let mut wide = [0; 8];
    let place = if cfg!(target_endian = "big") { 8 - width } else { 0 };
    wide[place..place + width].copy_from_slice(bytes);
    Some(u64::from_ne_bytes(wide))
}
