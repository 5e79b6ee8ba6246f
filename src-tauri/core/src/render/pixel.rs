//! The pixel: its address, its mark-up, its bytes.

use crate::tracking::token::Token;

/// The picture: 1 × 1, transparent, complete (`clear`, one pixel, end-of-information), so that no decoder
/// shows a broken image.
pub const GIF: [u8; 43] = [
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x01, 0x00, 0x01, 0x00, 0x80, 0x00, 0x00, 0xff, 0xff, 0xff, 0x00,
    0x00, 0x00, 0x21, 0xf9, 0x04, 0x01, 0x00, 0x00, 0x00, 0x00, 0x2c, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
    0x01, 0x00, 0x00, 0x02, 0x02, 0x44, 0x01, 0x00, 0x3b,
];

/// Returns the address of a pixel under `base`, which has no slash at its end.
///
/// The token stands in the path: some caches drop or reorder a query.
pub fn pixel_url(base: &str, token: &Token) -> String {
    format!("{base}/o/{token}.gif")
}

/// Returns the address of a reader's preference page under `base`, which has no slash at its end.
pub fn preference_url(base: &str, token: &Token) -> String {
    format!("{base}/u/{token}")
}

/// Returns the address of the page that erases a reader, under `base`, which has no slash at its end.
pub fn erase_url(base: &str, token: &Token) -> String {
    format!("{base}/e/{token}")
}

/// Returns the mark-up of a pixel.
///
/// No `display:none` and no `loading=lazy`: some clients would never fetch it, and Gmail asks senders not to hide
/// content. An empty `alt`, so that readers without pictures see and hear nothing.
pub fn img_tag(url: &str) -> String {
    let mut tag = String::with_capacity(url.len() + 140);
    tag.push_str("<img src=\"");
    super::push_escaped(&mut tag, url);
    tag.push_str(
        "\" width=\"1\" height=\"1\" alt=\"\" border=\"0\" \
         style=\"display:block;width:1px;height:1px;border:0;margin:0;padding:0\">",
    );
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SeededEntropy;

    #[test]
    fn the_picture_is_the_complete_one() {
        let hex = "47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b";
        assert_eq!(data_encoding::HEXLOWER.encode(&GIF), hex);
    }

    #[test]
    fn the_address_is_short_and_has_no_query() {
        let token = Token::generate(&SeededEntropy::new(7));
        let url = pixel_url("https://news.example.org", &token);
        assert_eq!(url, format!("https://news.example.org/o/{token}.gif"));
        assert!(
            !url.contains(['?', '&', '=']),
            "queries are cut and reordered by caches"
        );
        assert_eq!(
            preference_url("https://news.example.org", &token),
            format!("https://news.example.org/u/{token}")
        );
    }
}
