//! The HTML part: document → MJML → HTML by mrml, once for each campaign.
//!
//! mrml sees no word of the author's: every text and address goes in as a placeholder, and is put into the HTML that
//! comes out, escaped. So nothing in a mail can disturb the layout, and merge fields need no care on the way.

use super::document::{Block as Source, Span};
use super::personalise::{TextId, Texts};
use super::template::{Block, Piece, Slot, push_words, settle};
use super::{pixel, push_escaped};

/// Fonts that every system has; readers load nothing for them.
const FONTS: &str = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif";

/// Contrast of at least 4.5:1 on both grounds.
const STYLE: &str = "\
:root{color-scheme:light dark;supported-color-schemes:light dark}
a{word-break:break-word}
@media (max-width:480px){.c-card>table>tbody>tr>td{padding:16px 0 !important}}
@media (prefers-color-scheme:dark){
body,.c-ground{background-color:#15171B !important}
.c-card,.c-card>table{background-color:#1C1F25 !important}
.c-text div,.c-text h1,.c-text h2,.c-text h3{color:#E9E7E2 !important}
.c-text a{color:#7DB2F0 !important}
.c-foot div{color:#A2A9B4 !important}
.c-foot a{color:#A2A9B4 !important}
.c-line p{border-top-color:#2D323B !important}
.c-button td,.c-button a{background-color:#7DB2F0 !important;color:#15171B !important}
}";

/// Begins a placeholder. It needs no guard against the author's words, which mrml never sees.
const MARK: &str = "casementslot";

const LINK: &str = "color:#1F5FA6;text-decoration:underline";

/// Lays out the HTML part. Fails only where mrml refuses what was written here.
pub(super) fn lay_out(blocks: &[Block], texts: &Texts, title: TextId) -> Result<Vec<Piece>, String> {
    let mut page = Page::default();
    let title = page.slot(Slot::Line(title));
    let mut body = String::new();
    let mut after_line = true;
    for block in blocks {
        page.block(&mut body, block, after_line);
        after_line = matches!(block.source, Source::Divider {});
    }
    let mjml = format!(
        "<mjml lang=\"en\" dir=\"auto\"><mj-head><mj-title>{title}</mj-title>\
         <mj-raw><meta name=\"color-scheme\" content=\"light dark\">\
         <meta name=\"supported-color-schemes\" content=\"light dark\">\
         <meta name=\"format-detection\" content=\"telephone=no,date=no,address=no,email=no\"></mj-raw>\
         <mj-attributes><mj-all font-family=\"{FONTS}\"/>\
         <mj-text font-size=\"16px\" line-height=\"24px\" color=\"#1E2329\" padding=\"0 24px 16px\"/>\
         </mj-attributes><mj-style>{STYLE}</mj-style></mj-head>\
         <mj-body width=\"600px\" background-color=\"#FAF9F6\" css-class=\"c-ground\">\
         <mj-section background-color=\"#FFFFFF\" css-class=\"c-card\" padding=\"24px 0\"><mj-column>{body}</mj-column>\
         </mj-section></mj-body></mjml>"
    );
    let parsed = mrml::parse(&mjml).map_err(|error| format!("the mail cannot be laid out: {error}"))?;
    // No fonts: mrml would make readers load Google's for `Roboto` above.
    let options = mrml::prelude::render::RenderOptions {
        disable_comments: true,
        social_icon_origin: None,
        fonts: Default::default(),
    };
    let html = parsed
        .element
        .render(&options)
        .map_err(|error| format!("the mail cannot be laid out: {error}"))?;
    page.pieces(&html)
        .map(|pieces| settle(pieces, texts, fill))
        .ok_or_else(|| "the mail cannot be laid out: a part of it got lost".to_owned())
}

/// Puts in what is the same for every reader.
fn fill(out: &mut String, slot: Slot, text: &str) {
    match slot {
        Slot::Words { .. } => push_words(out, text),
        _ => push_escaped(out, text),
    }
}

/// Adds the hidden line behind the subject, and the pixel.
///
/// The pixel stands first in the body: Gmail clips mails above 102 KB, and what is clipped is not loaded.
pub(super) fn push_head(out: &mut String, preheader: &str, pixel: Option<&str>) {
    if !preheader.is_empty() {
        out.push_str(
            "<div style=\"display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;\
             overflow:hidden;mso-hide:all\">",
        );
        push_escaped(out, preheader);
        out.push_str("</div>");
    }
    if let Some(url) = pixel {
        out.push_str(&pixel::img_tag(url));
    }
}

/// Collects slots while MJML is written.
#[derive(Default)]
struct Page {
    slots: Vec<Slot>,
}

impl Page {
    /// Returns a placeholder: letters and digits only, so that it passes any escaping.
    fn slot(&mut self, slot: Slot) -> String {
        self.slots.push(slot);
        format!("{MARK}{}x", self.slots.len() - 1)
    }

    fn words(&mut self, text: TextId) -> String {
        self.slot(Slot::Words { text, indent: 0 })
    }

    fn block(&mut self, out: &mut String, block: &Block, after_line: bool) {
        match block.source {
            Source::Heading { level, spans } => {
                let (size, line, space) = match level {
                    1 => (28, 36, 16),
                    2 => (22, 30, 8),
                    _ => (18, 26, 8),
                };
                let words = self.spans(spans, &block.spans);
                out.push_str(&format!(
                    "<mj-text css-class=\"c-text\" padding=\"8px 24px {space}px\"><h{level} dir=\"auto\" style=\"margin:0;\
                     font-size:{size}px;line-height:{line}px;font-weight:700;text-align:start\">{words}</h{level}></mj-text>"
                ));
            }
            Source::Text { paragraphs } => {
                out.push_str("<mj-text css-class=\"c-text\">");
                self.paragraphs(out, paragraphs, block, 16);
                out.push_str("</mj-text>");
            }
            Source::List { ordered, items } => self.list(out, *ordered, items, block),
            Source::Image { width, .. } => self.image(out, *width, block),
            Source::Button { .. } => self.button(out, block),
            Source::Consent { .. } => self.question(out, block),
            Source::Divider {} => line(out),
            Source::Footer { paragraphs } => {
                if !after_line {
                    line(out);
                }
                out.push_str(
                    "<mj-text css-class=\"c-foot\" font-size=\"13px\" line-height=\"20px\" color=\"#5C636E\" \
                     padding=\"0 24px\">",
                );
                self.paragraphs(out, paragraphs, block, 8);
                out.push_str(&self.slot(Slot::Footer));
                out.push_str("</mj-text>");
            }
        }
    }

    fn paragraphs(&mut self, out: &mut String, paragraphs: &[Vec<Span>], block: &Block, space: u32) {
        let mut texts = block.spans.as_slice();
        let is_footer = matches!(block.source, Source::Footer { .. });
        for (index, spans) in paragraphs.iter().enumerate() {
            let (own, rest) = texts.split_at(spans.len().min(texts.len()));
            texts = rest;
            let is_last = index + 1 == paragraphs.len() && !is_footer;
            let space = if is_last { 0 } else { space };
            let words = self.spans(spans, own);
            out.push_str(&format!(
                "<p dir=\"auto\" style=\"margin:0 0 {space}px;text-align:start\">{words}</p>"
            ));
        }
    }

    fn list(&mut self, out: &mut String, ordered: bool, items: &[Vec<Span>], block: &Block) {
        let tag = if ordered { "ol" } else { "ul" };
        out.push_str(&format!(
            "<mj-text css-class=\"c-text\"><{tag} dir=\"auto\" style=\"margin:0;padding:0 0 0 24px;text-align:start\">"
        ));
        let mut texts = block.spans.as_slice();
        for spans in items {
            let (own, rest) = texts.split_at(spans.len().min(texts.len()));
            texts = rest;
            let words = self.spans(spans, own);
            out.push_str(&format!("<li style=\"margin:0 0 8px\">{words}</li>"));
        }
        out.push_str(&format!("</{tag}></mj-text>"));
    }

    fn image(&mut self, out: &mut String, width: Option<u32>, block: &Block) {
        let (Some(src), Some(alt)) = (block.part("src"), block.part("alt")) else {
            return;
        };
        let (src, alt) = (self.slot(Slot::Src(src)), self.slot(Slot::Line(alt)));
        out.push_str(&format!(
            "<mj-image src=\"{src}\" alt=\"{alt}\" align=\"left\" padding=\"0 24px 16px\""
        ));
        if let Some(width) = width {
            // The column is 552 px wide between its paddings.
            out.push_str(&format!(" width=\"{}px\"", width.min(552)));
        }
        if let Some(link) = block.part("link") {
            let link = self.slot(Slot::Href(link));
            out.push_str(&format!(" href=\"{link}\""));
        }
        out.push_str("/>");
    }

    fn button(&mut self, out: &mut String, block: &Block) {
        let (Some(label), Some(link)) = (block.part("label"), block.part("link")) else {
            return;
        };
        let (label, link) = (self.slot(Slot::Line(label)), self.slot(Slot::Href(link)));
        out.push_str(&format!(
            "<mj-button css-class=\"c-button\" href=\"{link}\" align=\"left\" background-color=\"#1F5FA6\" \
             color=\"#FFFFFF\" font-size=\"16px\" font-weight=\"600\" line-height=\"24px\" border-radius=\"8px\" \
             inner-padding=\"10px 24px\" padding=\"0 24px 16px\">{label}</mj-button>"
        ));
    }

    /// The words in a frame, and the link below them: a link and no button, since the answer is given on the page.
    fn question(&mut self, out: &mut String, block: &Block) {
        let (Some(wording), Some(label)) = (block.part("wording"), block.part("label")) else {
            return;
        };
        let (words, label) = (self.words(wording), self.slot(Slot::Line(label)));
        let link = self.slot(Slot::Question);
        out.push_str(&format!(
            "<mj-text css-class=\"c-text c-ask\"><p dir=\"auto\" style=\"margin:0;padding:16px;border:1px solid \
             #8A857A;border-radius:8px 8px 0 0;text-align:start\">{words}</p><p dir=\"auto\" style=\"margin:0;\
             padding:12px 16px;border:1px solid #8A857A;border-top:0;border-radius:0 0 8px 8px;text-align:start\">\
             <a href=\"{link}\" style=\"{LINK};font-weight:600\">{label}</a></p></mj-text>"
        ));
    }

    fn spans(&mut self, spans: &[Span], texts: &[(TextId, Option<TextId>)]) -> String {
        let mut out = String::new();
        for (span, (text, link)) in spans.iter().zip(texts) {
            let words = self.words(*text);
            let words = if span.italic {
                format!("<em>{words}</em>")
            } else {
                words
            };
            let words = if span.bold {
                format!("<strong>{words}</strong>")
            } else {
                words
            };
            match link {
                Some(link) => {
                    let link = self.slot(Slot::Href(*link));
                    out.push_str(&format!("<a href=\"{link}\" style=\"{LINK}\">{words}</a>"));
                }
                None => out.push_str(&words),
            }
        }
        out
    }

    /// Cuts HTML at its placeholders. `None` where a slot got lost on the way.
    fn pieces(&self, html: &str) -> Option<Vec<Piece>> {
        let body = html.find("<body")?;
        let open = body + html[body..].find('>')? + 1;
        let mut pieces = Vec::new();
        let mut is_seen = vec![false; self.slots.len()];
        self.cut(&html[..open], &mut pieces, &mut is_seen)?;
        pieces.push(Piece::Slot(Slot::Head));
        self.cut(&html[open..], &mut pieces, &mut is_seen)?;
        is_seen.iter().all(|seen| *seen).then_some(pieces)
    }

    fn cut(&self, html: &str, pieces: &mut Vec<Piece>, is_seen: &mut [bool]) -> Option<()> {
        let mut rest = html;
        while let Some(at) = rest.find(MARK) {
            pieces.push(Piece::Static(rest[..at].to_owned()));
            let number = &rest[at + MARK.len()..];
            let end = number.find('x')?;
            let slot = number[..end].parse::<usize>().ok()?;
            pieces.push(Piece::Slot(*self.slots.get(slot)?));
            is_seen[slot] = true;
            rest = &number[end + 1..];
        }
        pieces.push(Piece::Static(rest.to_owned()));
        Some(())
    }
}

fn line(out: &mut String) {
    out.push_str(
        "<mj-divider css-class=\"c-line\" border-width=\"1px\" border-color=\"#E5E2DB\" padding=\"8px 24px 24px\"/>",
    );
}
