//! Files that go with a mail: their names, what they may be, and how much of them a mail may carry.

use super::text_enum;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Endings that mail services refuse; a row names where that is said and when it was seen.
const BLOCKED: &str = include_str!("../../data/blocked_types.csv");

/// The most bytes of files in one mail, as they travel: 10 MB, which every large mail service takes.
pub const BUDGET: u64 = 10_000_000;
/// From here on files are worth a thought: so many bytes go to every single reader.
pub const HEAVY: u64 = 2_000_000;
/// The most files of one campaign, pictures among them.
pub const MAX_FILES: usize = 50;
/// The most characters of a file's name; what is longer is cut before its ending.
const MAX_NAME: usize = 120;

text_enum! {
    /// Where a file of a campaign is.
    Placement {
        /// At the mail's end, to be saved.
        Attached = "attached",
        /// In the text: a picture of a block.
        Inline = "inline",
    }
}

/// Returns how many bytes a file of `size` bytes has in a mail: base64 in lines of 76 characters (RFC 2045 §6.8).
pub fn encoded_size(size: u64) -> u64 {
    size.div_ceil(3) * 4 + size.div_ceil(57) * 2
}

/// Returns a file's name as a mail may carry it: no folders, no control characters, nothing that turns the reading
/// direction, no characters that some system's files cannot have; never empty.
///
/// A name that is turned round shows `gpj.exe` as `exe.jpg` (CWE-451).
pub fn clean_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut out = String::with_capacity(last.len());
    for char in last.chars() {
        match char {
            '<' | '>' | ':' | '"' | '|' | '?' | '*' => out.push('_'),
            char if is_unseen(char) => {}
            char if char.is_whitespace() || char.is_control() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            char => out.push(char),
        }
    }
    let name = out
        .trim_matches(|char: char| char == ' ')
        .trim_end_matches(['.', ' ']);
    if name.is_empty() {
        return "file".to_owned();
    }
    shortened(name)
}

/// Characters that turn the reading direction or cannot be seen at all.
fn is_unseen(char: char) -> bool {
    matches!(
        char,
        '\u{61c}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

fn shortened(name: &str) -> String {
    let length = name.chars().count();
    if length <= MAX_NAME {
        return name.to_owned();
    }
    let ending = match name.rsplit_once('.') {
        Some((_, ending)) if ending.chars().count() <= 12 => format!(".{ending}"),
        _ => String::new(),
    };
    let kept = MAX_NAME - ending.chars().count();
    let stem: String = name.chars().take(kept).collect();
    format!("{}{ending}", stem.trim_end())
}

/// Returns `name` with a number behind its stem: `Plan.pdf` becomes `Plan (2).pdf`.
pub fn numbered(name: &str, number: usize) -> String {
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => format!("{stem} ({number}).{ending}"),
        _ => format!("{name} ({number})"),
    }
}

/// Returns the ending of a name in lower case, without its dot; empty where there is none.
pub fn ending(name: &str) -> String {
    name.rsplit_once('.')
        .map(|(_, ending)| ending.to_lowercase())
        .unwrap_or_default()
}

/// Tells whether mail services refuse files with this name's ending.
pub fn is_blocked(name: &str) -> bool {
    static ENDINGS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        csv::Reader::from_reader(BLOCKED.as_bytes())
            .records()
            .filter_map(|row| row.ok()?.get(0).map(str::to_owned))
            .collect()
    });
    ENDINGS.contains(&ending(name))
}

/// Returns the media type that goes with a name (IANA media types); what is not known is a stream of bytes.
///
/// `bytes` decide where text is none: a text part in another encoding would be shown as rubbish. A mail in a mail
/// may not be base64 (RFC 2046 §5.2.1), so it travels as bytes, too.
pub fn media_type(name: &str, bytes: &[u8]) -> &'static str {
    let of_ending = match ending(name).as_str() {
        "pdf" => "application/pdf",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "txt" | "md" => "text/plain",
        "csv" => "text/csv",
        "ics" => "text/calendar",
        "vcf" => "text/vcard",
        "zip" => "application/zip",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "ppt" => "application/vnd.ms-powerpoint",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt" => "application/vnd.oasis.opendocument.text",
        "ods" => "application/vnd.oasis.opendocument.spreadsheet",
        "odp" => "application/vnd.oasis.opendocument.presentation",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        _ => "application/octet-stream",
    };
    let is_text = of_ending.starts_with("text/");
    if is_text && (std::str::from_utf8(bytes).is_err() || bytes.starts_with(b"\xef\xbb\xbf")) {
        return "application/octet-stream";
    }
    of_ending
}

/// Why a file cannot be a picture in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// An SVG.
    #[error("SVG pictures can carry programs, so Gmail and Outlook show none; export it as PNG")]
    Svg,
    /// None that mail programs show.
    #[error("only PNG, JPEG, GIF and WebP pictures can stand in a mail; export it as one of these")]
    Unknown,
}

/// Returns the media type of a picture by its first bytes, whatever its name says.
pub fn picture_type(bytes: &[u8]) -> Result<&'static str, PictureError> {
    let webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    match bytes {
        _ if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => Ok("image/png"),
        _ if bytes.starts_with(b"\xff\xd8\xff") => Ok("image/jpeg"),
        _ if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") => Ok("image/gif"),
        _ if webp => Ok("image/webp"),
        _ => {
            let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_lowercase();
            Err(if head.contains("<svg") {
                PictureError::Svg
            } else {
                PictureError::Unknown
            })
        }
    }
}

/// Writes a number of bytes for a sentence: `3.1 MB`, in steps of 1,000 as mail services count.
pub fn size_words(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["KB", "MB", "GB", "TB"] {
        if value < 999.95 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    if unit == "B" {
        return format!("{bytes} B");
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_carries_no_folder_no_header_and_nothing_that_turns_it_round() {
        let table = [
            ("plan.pdf", "plan.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\me\\plan.pdf", "plan.pdf"),
            ("a\r\nBcc: x@example.org", "a Bcc_ x@example.org"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("\u{2066}a\u{2069}.png", "a.png"),
            ("zero\u{200b}width.txt", "zerowidth.txt"),
            ("a\"b.pdf", "a_b.pdf"),
            ("  .  ", "."),
            ("", "file"),
            ("dots...", "dots"),
            ("Übersicht für März.pdf", "Übersicht für März.pdf"),
            ("a\u{2028}b.txt", "a b.txt"),
        ];
        for (name, clean) in table {
            let wanted = if clean == "." { "file" } else { clean };
            assert_eq!(clean_name(name), wanted, "{name:?}");
        }
        let long = format!("{}.pdf", "ä".repeat(400));
        let short = clean_name(&long);
        assert_eq!(short.chars().count(), MAX_NAME);
        assert!(short.ends_with(".pdf"), "what it is stays readable");
    }

    #[test]
    fn programs_are_refused_by_their_last_ending() {
        for name in ["setup.exe", "Report.PDF.Bat", "x.JS", "a.vbs"] {
            assert!(is_blocked(name), "{name}");
        }
        for name in ["plan.pdf", "exe", "json.json", "a.jsx", "table.csv"] {
            assert!(!is_blocked(name), "{name}");
        }
    }

    #[test]
    fn every_blocked_ending_names_its_source() {
        let mut reader = csv::Reader::from_reader(BLOCKED.as_bytes());
        assert_eq!(reader.headers().unwrap(), vec!["extension", "source", "date"]);
        let mut seen = BTreeSet::new();
        for row in reader.records() {
            let row = row.expect("every row can be read");
            assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
            assert!(seen.insert(row[0].to_owned()), "{} stands there twice", &row[0]);
        }
    }

    #[test]
    fn a_picture_is_known_by_its_bytes() {
        assert_eq!(picture_type(b"\x89PNG\r\n\x1a\n...."), Ok("image/png"));
        assert_eq!(picture_type(b"\xff\xd8\xff\xe0"), Ok("image/jpeg"));
        assert_eq!(picture_type(b"GIF89a"), Ok("image/gif"));
        assert_eq!(picture_type(b"RIFF\0\0\0\0WEBPVP8 "), Ok("image/webp"));
        assert_eq!(
            picture_type(b"<?xml version=\"1.0\"?><svg xmlns='http://www.w3.org/2000/svg'>"),
            Err(PictureError::Svg)
        );
        assert_eq!(picture_type(b"RIFF\0\0\0\0WAVE"), Err(PictureError::Unknown));
        assert_eq!(picture_type(b"MZ"), Err(PictureError::Unknown));
        assert_eq!(picture_type(b""), Err(PictureError::Unknown));
    }

    #[test]
    fn text_that_is_none_travels_as_bytes() {
        assert_eq!(media_type("a.csv", "Größe".as_bytes()), "text/csv");
        assert_eq!(media_type("a.csv", b"Gr\xf6\xdfe"), "application/octet-stream");
        assert_eq!(
            media_type("a.csv", b"\xef\xbb\xbfa;b"),
            "application/octet-stream"
        );
        assert_eq!(media_type("mail.eml", b"From: x"), "application/octet-stream");
    }

    #[test]
    fn a_file_grows_by_a_third_and_its_line_ends() {
        assert_eq!(encoded_size(0), 0);
        assert_eq!(encoded_size(57), 78);
        assert_eq!(encoded_size(58), 78 + 6);
        assert_eq!(encoded_size(3_000_000), 4_000_000 + 2 * 52_632);
    }

    #[test]
    fn sizes_are_said_as_mail_services_count() {
        assert_eq!(size_words(999), "999 B");
        assert_eq!(size_words(1_500), "1.5 KB");
        assert_eq!(size_words(3_340_000_000), "3.3 GB");
    }
}
