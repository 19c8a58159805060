use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Archive, Caps};

/// A ZIP with these files; one whose content begins with `->` is a symbolic link.
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        match content.strip_prefix(b"->") {
            Some(target) => {
                let target = std::str::from_utf8(target).unwrap();
                out.add_symlink(*name, target, SimpleFileOptions::default()).unwrap();
            }
            None => {
                out.start_file(*name, SimpleFileOptions::default()).unwrap();
                out.write_all(content).unwrap();
            }
        }
    }
    out.finish().unwrap().into_inner()
}

fn refusal(files: &[(&str, &[u8])], caps: &Caps) -> String {
    Archive::unzip(&zip(files), caps).unwrap_err().to_string()
}

#[test]
fn files_are_read_with_their_contents() {
    let bytes = zip(&[("a/b.py", b"x = 1"), ("c.txt", b""), ("d/", b"")]);
    let archive = Archive::unzip(&bytes, &Caps::default()).unwrap();
    assert_eq!(archive.names().collect::<Vec<_>>(), ["a/b.py", "c.txt"]);
    assert_eq!(archive.file("a/b.py"), Some(&b"x = 1"[..]));
    assert_eq!(archive.digest(), crate::digest::Digest::of(&bytes));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let caps = Caps::default();
    for (name, expected) in [
        ("/etc/passwd", "the entry `/etc/passwd` has an absolute path"),
        ("../a", "the entry `../a` has `.` or `..` in its path"),
        ("a/../../b", "the entry `a/../../b` has `.` or `..` in its path"),
        ("a/./b", "the entry `a/./b` has `.` or `..` in its path"),
        ("a//b", "the entry `a//b` has an empty part in its path"),
        ("c:\\a", r"the entry `c:\\a` has a path of another system (`\`, `:`)"),
        ("a\\..\\b", r"the entry `a\\..\\b` has a path of another system (`\`, `:`)"),
        ("a\nb", r"the entry `a\nb` has a control character in its name"),
        ("a\0b", r"the entry `a\0b` has a control character in its name"),
        (&"a/".repeat(40), "lies too deep"),
        (&"a".repeat(300), "has too long a name"),
    ] {
        let said = refusal(&[(name, b"x")], &caps);
        assert!(said.ends_with(expected), "{name}: {said}");
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let caps = Caps::default();
    let said = refusal(&[("link", b"->/etc/passwd")], &caps);
    assert_eq!(said, "the entry `link` is a symbolic link");
    assert_eq!(refusal(&[("a", b"x"), ("A", b"y")], &caps), "the entry `A` is there twice");
    assert_eq!(
        refusal(&[("a", b"x"), ("a/b", b"y")], &caps),
        "the entry `a/b` lies in `a`, which is a file"
    );
    assert_eq!(refusal(&[], &caps), "it has no files");
    assert!(Archive::unzip(b"no zip", &caps).unwrap_err().to_string().starts_with("it is no ZIP"));
    let whole = zip(&[("a.py", &[b'x'; 5_000])]);
    for end in [10, whole.len() / 2, whole.len() - 5] {
        assert!(Archive::unzip(&whole[..end], &caps).is_err(), "cut at {end}");
    }
}

#[test]
fn what_bursts_is_refused_before_it_is_unpacked() {
    let zeros = vec![0_u8; 8 << 20];
    let said = refusal(&[("zeros", &zeros)], &Caps::default());
    assert_eq!(said, "the entry `zeros` unpacks to more than 200 times its size");
    let caps = Caps { unpacked: 1_000, ..Caps::default() };
    let said = refusal(&[("a", &[1; 600]), ("b", &[2; 600])], &caps);
    assert_eq!(said, "the files have 1001 bytes, and 1000 is the limit");
    let caps = Caps { entries: 2, ..Caps::default() };
    let said = refusal(&[("a", b""), ("b", b""), ("c", b"")], &caps);
    assert_eq!(said, "the archive has 3 entries, and 2 is the limit");
    let caps = Caps { packed: 10, ..Caps::default() };
    assert!(refusal(&[("a", b"x")], &caps).ends_with("bytes, and 10 is the limit"));
}

#[test]
fn directories_are_read_without_what_python_leaves() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::create_dir_all(path.join("p/__pycache__")).unwrap();
    std::fs::create_dir(path.join(".git")).unwrap();
    for (name, content) in [("p/a.py", "1"), ("p/__pycache__/a.pyc", "2"), (".git/x", "3")] {
        std::fs::write(path.join(name), content).unwrap();
    }
    let archive = Archive::read_directory(path, &Caps::default()).unwrap();
    assert_eq!(archive.names().collect::<Vec<_>>(), ["p/a.py"]);
    let before = archive.digest();
    std::fs::write(path.join("p/a.py"), "2").unwrap();
    assert_ne!(Archive::read_directory(path, &Caps::default()).unwrap().digest(), before);
    std::os::unix::fs::symlink("/etc/passwd", path.join("p/link")).unwrap();
    let refused = Archive::read_directory(path, &Caps::default()).unwrap_err();
    assert_eq!(refused.to_string(), "the entry `p/link` is neither a file nor a directory");
}

#[test]
fn packed_and_unpacked_is_the_same() {
    let bytes = zip(&[("b/c.py", b"x = 1"), ("a.txt", b"")]);
    let archive = Archive::unzip(&bytes, &Caps::default()).unwrap();
    let again = Archive::unzip(&archive.zip().unwrap(), &Caps::default()).unwrap();
    assert_eq!(again.names().collect::<Vec<_>>(), ["b/c.py", "a.txt"]);
    assert_eq!(again.file("b/c.py"), Some(&b"x = 1"[..]));
    assert_eq!(archive.zip().unwrap(), again.zip().unwrap());
}
