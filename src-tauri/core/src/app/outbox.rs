//! The practice outbox: its mails, shown, and opened as a reader would.

use super::engine::Engine;
use super::{reach, readers};
use crate::api::{
    Code, Error, OutboxFile, OutboxGet, OutboxList, OutboxListResponse, OutboxMail, OutboxOpenAs,
    OutboxOpenAsResponse, Result, Tag,
};
use crate::ids::OutboxId;
use crate::mail::outbox::read;
use crate::net::http;
use crate::store::outbox_mail::{self, Filter};
use std::sync::Arc;

/// Answers a page of the outbox, newest first.
pub fn list(engine: &Arc<Engine>, request: OutboxList) -> Result<OutboxListResponse> {
    let limit = if request.limit == 0 {
        100
    } else {
        request.limit.min(500)
    };
    let filter = Filter {
        campaign: request.campaign,
        search: request.search.trim().to_owned(),
    };
    engine.read(|conn| {
        Ok(OutboxListResponse {
            total: outbox_mail::count(conn, &filter)?,
            mails: outbox_mail::list(conn, &filter, request.offset, limit)?,
        })
    })
}

/// Answers one mail, without anything that would be fetched from elsewhere.
pub fn get(engine: &Arc<Engine>, request: OutboxGet) -> Result<OutboxMail> {
    let (row, parts) = load(engine, request.id)?;
    Ok(OutboxMail {
        row,
        from: parts.from,
        html: parts.html,
        text: parts.text,
        headers: parts.headers,
        pixel: parts.pixel,
        files: parts
            .files
            .into_iter()
            .map(|(name, size)| OutboxFile { name, size })
            .collect(),
    })
}

fn load(engine: &Engine, id: OutboxId) -> Result<(crate::api::OutboxRow, read::Parts)> {
    let row = engine
        .read(|conn| Ok(outbox_mail::find(conn, id)?))?
        .ok_or_else(|| Error::not_found("mail in the outbox", id))?;
    let path = engine.workspace.dir().join(&row.path);
    let bytes = std::fs::read(&path).map_err(|error| {
        Error::new(
            Code::Storage,
            format!("The mail's file {} cannot be read: {error}.", path.display()),
        )
    })?;
    let parts = read::parts(&bytes)
        .ok_or_else(|| Error::new(Code::Storage, format!("The file {} is no mail.", path.display())))?;
    Ok((row, parts))
}

/// Opens a mail as a reader would: fetches its pixel as the chosen client, through the proxy entrance.
///
/// Starts the listener where it does not run.
pub fn open_as(engine: &Arc<Engine>, request: OutboxOpenAs) -> Result<OutboxOpenAsResponse> {
    let (row, parts) = load(engine, request.id)?;
    let reader = readers::reader(request.client);
    let Some(pixel) = parts.pixel else {
        let sentence = match row.test {
            true => "This is a test mail: it carries no pixel, and nothing is recorded.",
            false => "This mail carries no pixel, so nothing can be seen of its reader.",
        };
        return Ok(OutboxOpenAsResponse {
            status: None,
            sentence: sentence.to_owned(),
        });
    };
    let entrance = reach::practice_entrance(engine)?;
    // The mail keeps the address that it was sent with; its pixel answers at today's port as well.
    let path = pixel.splitn(4, '/').nth(3).unwrap_or_default();
    let url = format!("{}/{path}", entrance.url);
    let address = format!("{}.{}", reader.network, 10 + row.id.0.rem_euclid(200));
    let fields = [
        ("User-Agent", reader.user_agent),
        (entrance.client_header.as_str(), address.as_str()),
    ];
    let answer = http::request(&url, &fields, None).map_err(|error| {
        Error::new(
            Code::Unreachable,
            format!(
                "The listener of this computer does not answer ({error}). Stop and start it in Settings."
            ),
        )
    })?;
    engine.announce(&[Tag::Opens, Tag::Activity]);
    let sentence = match answer.status {
        200 => format!("{} fetched the picture. {}", reader.name, reader.meaning),
        status => format!(
            "{} asked for the picture, and the listener could not store it (HTTP {status}).",
            reader.name
        ),
    };
    Ok(OutboxOpenAsResponse {
        status: Some(answer.status),
        sentence,
    })
}
