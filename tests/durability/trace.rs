//! Reads what strace wrote down: what reached the disk, in which order, and what was answered when.
//!
//! One file a thread (`-ff`), so that no line is cut in two by another thread's; merged by time. A call counts
//! from its entry on, and is done at its exit: what happens between these two is open.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments that make strace write what [`read`] reads, below `prefix`.
///
/// It traces from a grandchild (`-D`), so that the program stays the process that was started.
pub fn strace(prefix: &Path) -> Vec<String> {
    let calls = "openat,open,creat,lseek,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,read,readv,recvfrom,\
                 recvmsg,fsync,fdatasync,ftruncate,fallocate,rename,renameat,renameat2,unlink,unlinkat";
    let words = "strace -D -f -ff --seccomp-bpf -yy -s 1000000 --absolute-timestamps=format:unix,precision:ns \
                 --syscall-times=ns -e signal=none";
    let mut args: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    args.extend(["-e".to_owned(), format!("trace={calls}")]);
    args.extend(["-o".to_owned(), prefix.display().to_string()]);
    args
}

/// When, in nanoseconds.
pub type Time = u64;

/// A system call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its entry.
    pub start: Time,
    /// Its exit.
    pub end: Time,
    /// What it did.
    pub what: What,
}

/// What a call did.
#[derive(Debug, Clone)]
pub enum What {
    /// Opened a file, and may have made it.
    Open { path: PathBuf, may_create: bool },
    /// Wrote to a file.
    Write {
        path: PathBuf,
        offset: u64,
        bytes: Vec<u8>,
    },
    /// Cut a file, or made it longer by zeros.
    SetLength { path: PathBuf, length: u64 },
    /// Made it at least so long.
    Reserve { path: PathBuf, length: u64 },
    /// Brought a file, or a folder's names, to the disk.
    Sync { path: PathBuf },
    /// Gave a file another name.
    Rename { from: PathBuf, to: PathBuf },
    /// Took a name away.
    Unlink { path: PathBuf },
    /// Received on a connection, which is named by both of its ends.
    Heard { connection: String, bytes: Vec<u8> },
    /// Sent on a connection.
    Said { connection: String, bytes: Vec<u8> },
}

/// Returns every line of the files `prefix.*`, by its time.
pub fn lines(prefix: &Path) -> Vec<(Time, Vec<u8>)> {
    let (dir, name) = (
        prefix.parent().expect("a folder"),
        prefix.file_name().expect("a name"),
    );
    let start = format!("{}.", name.to_string_lossy());
    let mut lines: Vec<(Time, Vec<u8>)> = Vec::new();
    for entry in fs::read_dir(dir).expect("the log's folder is there").flatten() {
        if entry.file_name().to_string_lossy().starts_with(&start) {
            let text = fs::read(entry.path()).expect("a log can be read");
            let all = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines.extend(all.map(|line| (time(line), line.to_vec())));
        }
    }
    lines.sort_by_key(|(time, _)| *time);
    lines
}

/// Reads every call of the files `prefix.*`, by the time of its entry.
pub fn read(prefix: &Path) -> Vec<Call> {
    let mut positions = BTreeMap::new();
    lines(prefix)
        .iter()
        .filter_map(|(start, line)| Line::split(line).and_then(|line| line.call(*start, &mut positions)))
        .collect()
}

/// `SECONDS.NANOSECONDS ` at the line's beginning.
fn time(line: &[u8]) -> Time {
    let digits: Vec<u8> = line
        .iter()
        .take_while(|byte| **byte != b' ')
        .copied()
        .filter(u8::is_ascii_digit)
        .collect();
    number(&digits).unwrap_or_else(|| panic!("no time in {:?}", String::from_utf8_lossy(line)))
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

/// A line in its parts.
struct Line {
    name: String,
    /// The descriptor that comes first, if one does, and what it stands for.
    descriptor: u64,
    target: String,
    /// All strings that were passed.
    strings: Vec<Vec<u8>>,
    /// What stands behind them, up to the result.
    rest: String,
    /// The result, with what stands for it.
    result: String,
    took: Time,
}

impl Line {
    /// `None` for lines that tell of no finished call, and for calls that failed.
    fn split(line: &[u8]) -> Option<Self> {
        let at = line.iter().position(|byte| *byte == b' ')? + 1;
        let open = at + line[at..].iter().position(|byte| *byte == b'(')?;
        let name = String::from_utf8_lossy(&line[at..open]).into_owned();
        let mut strings = Vec::new();
        let mut plain = Vec::new();
        let mut at = open + 1;
        while at < line.len() {
            if line[at] == b'"' {
                let (string, end) = unescape(line, at + 1);
                assert!(
                    !line[end..].starts_with(b"..."),
                    "strace cut a string short: {name}"
                );
                strings.push(string);
                plain.extend(b"\"\"");
                at = end;
            } else {
                plain.push(line[at]);
                at += 1;
            }
        }
        let plain = String::from_utf8_lossy(&plain).into_owned();
        let (arguments, result) = plain.rsplit_once(") = ")?;
        let (result, took) = result.trim_end_matches('>').rsplit_once(" <")?;
        let took = number(took.replace('.', "").as_bytes())?;
        if result.starts_with(['-', '?']) {
            return None;
        }
        let (descriptor, target) = match arguments.split_once('<') {
            Some((descriptor, rest)) => (
                descriptor.parse().unwrap_or(0),
                rest.split(">,")
                    .next()
                    .unwrap_or_default()
                    .trim_end_matches('>')
                    .to_owned(),
            ),
            None => (0, String::new()),
        };
        Some(Self {
            name,
            descriptor,
            target,
            strings,
            rest: arguments.to_owned(),
            result: result.to_owned(),
            took,
        })
    }

    /// `positions` holds where each descriptor stands in its file.
    fn call(&self, start: Time, positions: &mut BTreeMap<u64, u64>) -> Option<Call> {
        let descriptor = self.descriptor;
        let what = match self.name.as_str() {
            "openat" | "open" | "creat" => {
                let (number, path) = self.result.split_once('<')?;
                positions.insert(number.parse().ok()?, 0);
                What::Open {
                    path: path.trim_end_matches('>').into(),
                    may_create: self.rest.contains("O_CREAT") || self.name == "creat",
                }
            }
            "lseek" => {
                positions.insert(descriptor, self.returned());
                return None;
            }
            "read" | "readv" | "recvfrom" | "recvmsg" => self.heard(positions)?,
            "write" | "writev" | "sendto" | "sendmsg" | "pwrite64" | "pwritev" | "pwritev2" => {
                self.said_or_written(positions)?
            }
            "fsync" | "fdatasync" => What::Sync { path: self.path()? },
            "ftruncate" => What::SetLength {
                path: self.path()?,
                length: self.argument(0),
            },
            "fallocate" => What::Reserve {
                path: self.path()?,
                length: self.argument(1) + self.argument(0),
            },
            "rename" | "renameat" | "renameat2" => {
                let [from, to] = &self.strings[..] else {
                    return None;
                };
                What::Rename {
                    from: text(from).into(),
                    to: text(to).into(),
                }
            }
            "unlink" | "unlinkat" => What::Unlink {
                path: text(self.strings.first()?).into(),
            },
            _ => return None,
        };
        Some(Call {
            start,
            end: start + self.took,
            what,
        })
    }

    fn heard(&self, positions: &mut BTreeMap<u64, u64>) -> Option<What> {
        let n = self.returned();
        if self.connection().is_none() {
            *positions.entry(self.descriptor).or_default() += n;
        }
        Some(What::Heard {
            connection: self.connection()?,
            bytes: self.bytes(n),
        })
    }

    fn said_or_written(&self, positions: &mut BTreeMap<u64, u64>) -> Option<What> {
        let n = self.returned();
        if let Some(connection) = self.connection() {
            let bytes = self.bytes(n);
            return Some(What::Said { connection, bytes });
        }
        let path = self.path()?;
        let offset = if self.name.starts_with('p') {
            // The last argument of pwritev2 is its flags.
            self.argument(usize::from(self.name == "pwritev2"))
        } else {
            let position = positions.entry(self.descriptor).or_default();
            *position += n;
            *position - n
        };
        let bytes = self.bytes(n);
        Some(What::Write { path, offset, bytes })
    }

    fn returned(&self) -> u64 {
        let digits: String = self.result.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    }

    /// The numeric argument that stands `from_end` places before the last.
    fn argument(&self, from_end: usize) -> u64 {
        let argument = self.rest.rsplit(", ").nth(from_end).unwrap_or_default();
        argument
            .parse()
            .unwrap_or_else(|_| panic!("{argument:?} is no number in {}({})", self.name, self.rest))
    }

    fn bytes(&self, n: u64) -> Vec<u8> {
        let mut bytes = self.strings.concat();
        bytes.truncate(n as usize);
        bytes
    }

    fn connection(&self) -> Option<String> {
        let ends = self.target.strip_prefix("TCP:[")?.trim_end_matches(']');
        Some(ends.to_owned())
    }

    fn path(&self) -> Option<PathBuf> {
        self.target.starts_with('/').then(|| PathBuf::from(&self.target))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Undoes strace's escapes from `at` on; returns the string and where the line goes on behind its quote.
fn unescape(line: &[u8], mut at: usize) -> (Vec<u8>, usize) {
    let mut string = Vec::new();
    while line[at] != b'"' {
        if line[at] != b'\\' {
            string.push(line[at]);
            at += 1;
            continue;
        }
        at += 1;
        let octal = line[at..]
            .iter()
            .take(3)
            .take_while(|byte| (b'0'..b'8').contains(*byte))
            .count();
        if octal > 0 {
            let digits = &line[at..at + octal];
            let value = digits
                .iter()
                .fold(0, |value, digit| value * 8 + u32::from(digit - b'0'));
            string.push(value as u8);
            at += octal;
            continue;
        }
        string.push(match line[at] {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            b'f' => 0x0c,
            other => other,
        });
        at += 1;
    }
    (string, at + 1)
}

#[test]
fn a_log_of_system_calls_is_read_as_it_was_written() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let log = br#"1.000000005 openat(AT_FDCWD</w>, "/w/a.db", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 5</w/a.db> <0.000000010>
1.000000020 pwrite64(5</w/a.db>, "a\0\0001\n\"\\\377", 8, 4096) = 8 <0.000000003>
1.000000030 write(5</w/a.db>, "ab", 2) = 2 <0.000000003>
1.000000040 write(5</w/a.db>, "cd) = ", 6) = 6 <0.000000003>
1.000000050 pwrite64(5</w/a.db>, "x", 1, 0) = -1 ENOSPC (No space left on device) <0.000000003>
1.000000060 fsync(5</w/a.db>) = 0 <0.000000003>
+++ exited with 0 +++
"#;
    fs::write(
        dir.path().join("t.1"),
        log.split(|byte| *byte == b'+').next().expect("a part"),
    )
    .expect("own folder");
    let other = br#"1.000000035 recvfrom(9<TCP:[127.0.0.1:80->127.0.0.1:99]>, "GET /", 1024, 0, NULL, NULL) = 5 <0.000000001>
1.000000036 writev(9<TCP:[127.0.0.1:80->127.0.0.1:99]>, [{iov_base="HTTP", iov_len=4}, {iov_base="/1.1 ", iov_len=5}], 2) = 8 <0.000000001>
"#;
    fs::write(dir.path().join("t.2"), other).expect("own folder");
    let calls = read(&dir.path().join("t"));
    let shown: Vec<String> = calls.iter().map(|call| format!("{:?}", call.what)).collect();
    let wanted = [
        r#"Open { path: "/w/a.db", may_create: true }"#.to_owned(),
        format!(
            r#"Write {{ path: "/w/a.db", offset: 4096, bytes: {:?} }}"#,
            b"a\0\x001\n\"\\\xff"
        ),
        format!(r#"Write {{ path: "/w/a.db", offset: 0, bytes: {:?} }}"#, b"ab"),
        format!(
            r#"Heard {{ connection: "127.0.0.1:80->127.0.0.1:99", bytes: {:?} }}"#,
            b"GET /"
        ),
        format!(
            r#"Said {{ connection: "127.0.0.1:80->127.0.0.1:99", bytes: {:?} }}"#,
            b"HTTP/1.1"
        ),
        format!(
            r#"Write {{ path: "/w/a.db", offset: 2, bytes: {:?} }}"#,
            b"cd) = "
        ),
        r#"Sync { path: "/w/a.db" }"#.to_owned(),
    ];
    assert_eq!(shown, wanted, "calls in order, failed ones left out");
    assert_eq!((calls[1].start, calls[1].end), (1_000_000_020, 1_000_000_023));
}
