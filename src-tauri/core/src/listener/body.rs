//! Reads what a form or a mail provider posts, from bytes that anyone may have sent.

use super::Wish;

/// Longest body that is read, in bytes.
pub const MAX_BODY: usize = 4096;

/// What a POST to a preference page asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// A button of the page was pressed.
    Form(Wish),
    /// A mail provider unsubscribes its user (RFC 8058 §3.2).
    OneClick,
    /// The button of the page that erases was pressed.
    Erase,
    /// Nothing that is known: nothing is done.
    Nothing,
}

/// Reads a body by its `Content-Type`; both encodings that RFC 8058 §3.2 names are understood.
pub fn posted(content_type: &str, body: &[u8]) -> Posted {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let fields = if kind.eq_ignore_ascii_case("multipart/form-data") {
        boundary(content_type)
            .map(|boundary| multipart(&boundary, body))
            .unwrap_or_default()
    } else {
        url::form_urlencoded::parse(body)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect()
    };
    let is = |(name, value): &(String, String), wanted: &str, word: &str| {
        name.eq_ignore_ascii_case(wanted) && value.trim().eq_ignore_ascii_case(word)
    };
    for field in &fields {
        if is(field, "List-Unsubscribe", "One-Click") {
            return Posted::OneClick;
        }
        for (word, wish) in [
            ("stop_tracking", Wish::StopRecording),
            ("refuse_tracking", Wish::StopRecording),
            ("allow_tracking", Wish::AllowRecording),
            ("erase_recorded", Wish::EraseRecorded),
            ("unsubscribe", Wish::Unsubscribe),
            ("send_data", Wish::SendData),
        ] {
            if is(field, "action", word) {
                return Posted::Form(wish);
            }
        }
        if is(field, "action", "erase") {
            return Posted::Erase;
        }
    }
    Posted::Nothing
}

/// RFC 2046 §5.1.1: at most 70 characters.
fn boundary(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && (1..=70).contains(&value.len()))
            .then(|| value.to_owned())
    })
}

/// Reads names and values of a form in parts (RFC 7578); what is malformed is left out.
fn multipart(boundary: &str, body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    text.split(&format!("--{boundary}"))
        .skip(1)
        .filter_map(|part| {
            let part = part.trim_start_matches("\r\n").trim_start_matches('\n');
            let (head, value) = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n"))?;
            let name = head.lines().find_map(|line| {
                let (field, rest) = line.split_once(':')?;
                if !field.trim().eq_ignore_ascii_case("content-disposition") {
                    return None;
                }
                rest.split(';').skip(1).find_map(|parameter| {
                    let (key, value) = parameter.split_once('=')?;
                    (key.trim().eq_ignore_ascii_case("name"))
                        .then(|| value.trim().trim_matches('"').to_owned())
                })
            })?;
            Some((name, value.trim_end_matches(['\r', '\n']).to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn one_click_is_understood_in_both_encodings() {
        let parts = "--b1\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b1--\r\n";
        for (kind, body) in [
            (FORM, "List-Unsubscribe=One-Click"),
            (
                "application/x-www-form-urlencoded; charset=utf-8",
                "x=1&List-Unsubscribe=One-Click",
            ),
            ("", "List-Unsubscribe=One-Click"),
            ("multipart/form-data; boundary=b1", parts),
            ("Multipart/Form-Data; boundary=\"b1\"", parts),
        ] {
            assert_eq!(posted(kind, body.as_bytes()), Posted::OneClick, "{kind}");
        }
    }

    #[test]
    fn buttons_are_told_apart() {
        assert_eq!(
            posted(FORM, b"action=stop_tracking"),
            Posted::Form(Wish::StopRecording)
        );
        assert_eq!(
            posted(FORM, b"action=refuse_tracking"),
            Posted::Form(Wish::StopRecording)
        );
        assert_eq!(
            posted(FORM, b"action=erase_recorded"),
            Posted::Form(Wish::EraseRecorded)
        );
        assert_eq!(
            posted(FORM, b"action=allow_tracking"),
            Posted::Form(Wish::AllowRecording)
        );
        assert_eq!(
            posted(FORM, b"action=unsubscribe"),
            Posted::Form(Wish::Unsubscribe)
        );
        assert_eq!(posted(FORM, b"action=send_data"), Posted::Form(Wish::SendData));
        assert_eq!(posted(FORM, b"action=erase"), Posted::Erase);
    }

    #[test]
    fn what_is_not_understood_does_nothing() {
        for (kind, body) in [
            (FORM, &b""[..]),
            (FORM, b"List-Unsubscribe=no"),
            (FORM, b"action=everything"),
            (FORM, b"\xff\xfe=\x00&&&==="),
            ("multipart/form-data", b"--b1\r\n\r\nOne-Click"),
            ("multipart/form-data; boundary=b1", b"--b1--b1--b1"),
            ("multipart/form-data; boundary=", b"List-Unsubscribe=One-Click"),
        ] {
            assert_eq!(posted(kind, body), Posted::Nothing, "{kind} {body:?}");
        }
    }
}
