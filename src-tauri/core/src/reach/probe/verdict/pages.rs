//! Answers of those in front: redirects, pages that a person can click away, and words that nothing is behind them.

use super::{Finding, cut, shown_host};
use crate::api::ProbeVerdict;
use crate::reach::probe::sight::{Answer, Sight};
use crate::render::pixel::GIF;

/// Redirects. Pictures' redirects are followed by some mail programs and not by others, and never lead to a tunnel.
pub(super) fn elsewhere(sight: &Sight, answer: &Answer) -> Option<Finding> {
    if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let to = answer.field("location").unwrap_or_default();
    let target = url::Url::parse(&format!("https://{}/", shown_host(sight)))
        .ok()
        .and_then(|base| base.join(to).ok());
    let host = target.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
    if within(host, "cloudflareaccess.com") || within(host, "login.tailscale.com") || is_login(to) {
        return Some(login(sight));
    }
    let is_same = host.eq_ignore_ascii_case(&sight.host);
    let plain = target.as_ref().is_some_and(|url| url.scheme() == "http");
    let where_to = match (to.is_empty(), is_same) {
        (true, _) => "to another page".to_owned(),
        (_, true) if plain => "to http, without encryption".to_owned(),
        (_, true) => "to another page of its own".to_owned(),
        (_, false) => format!("to {}", cut(host)),
    };
    let finding = Finding::new(
        ProbeVerdict::Redirect,
        format!(
            "{} sends everybody on {where_to}. Mail programs do not follow that for pictures.",
            sight.host
        ),
    );
    Some(match !is_same && !plain && host.contains('.') {
        true => finding.but(format!(
            "If {} is yours and leads here, use https://{} as your address; if not, switch the redirect off.",
            cut(host),
            cut(host)
        )),
        false => finding.but("Switch the redirect off for this name."),
    })
}

fn within(host: &str, parent: &str) -> bool {
    host.strip_suffix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn is_login(location: &str) -> bool {
    let location = location.to_ascii_lowercase();
    [
        "/cdn-cgi/access/login",
        "/oauth2/start",
        "/outpost.goauthentik.io/",
        "/login?",
        "/signin?",
    ]
    .iter()
    .any(|path| location.contains(path))
}

fn login(sight: &Sight) -> Finding {
    Finding::new(
        ProbeVerdict::Interstitial,
        format!("{} asks everybody to log in first, which a mail program cannot.", sight.host),
    )
    .but("Let this name through without a login: Casement's addresses are secrets of their own, one for each mail.")
}

/// Pages that a person can click away, and a mail program cannot.
pub(super) fn standing_between(sight: &Sight, answer: &Answer) -> Option<Finding> {
    let text = answer.text();
    let says = |words: &str| text.contains(words);
    let host = &sight.host;
    let between = |what: &str| {
        Finding::new(
            ProbeVerdict::Interstitial,
            format!(
                "{what} A mail program cannot click it away, so readers see no picture and no open is counted."
            ),
        )
    };
    if answer.status == 511 {
        return Some(
            Finding::new(
                ProbeVerdict::NoNetwork,
                "The network that this computer is in asks you to log in first.",
            )
            .but("Open any page in a browser and log in, as in a hotel or a train."),
        );
    }
    if answer.status == 401 && answer.field("www-authenticate").is_some() {
        return Some(login(sight));
    }
    if answer.field("ngrok-error-code") == Some("ERR_NGROK_6024") || says("ngrok-skip-browser-warning") {
        return Some(
            between("ngrok shows a warning page of its own in front of a free address.")
                .but("Only a paid account of ngrok is without it. Use another way, or another provider."),
        );
    }
    let is_challenge = answer.field("cf-mitigated") == Some("challenge")
        || (matches!(answer.status, 403 | 429 | 503)
            && (says("just a moment...")
                || says("/cdn-cgi/challenge-platform/")
                || says("attention required! | cloudflare")));
    if is_challenge {
        return Some(
            between(&format!("Cloudflare asks visitors of {host} to prove that they are people.")).but(
                "In Cloudflare, under Security, add a rule that skips all checks for this name, or for paths that begin \
                 with /o/, /u/, /e/ and /.well-known/casement/.",
            ),
        );
    }
    let reminders = [
        ("bypass-tunnel-reminder", "localtunnel"),
        ("skip_zrok_interstitial", "zrok"),
        ("x-pinggy-no-screen", "Pinggy"),
        ("x-tunnel-skip-antiphishing-page", "Microsoft's dev tunnel"),
    ];
    let who = reminders
        .iter()
        .find(|(mark, _)| says(mark) || answer.field(mark).is_some())
        .map(|(_, who)| *who)
        .or_else(|| {
            (says("pinggy") && (says("you are about to visit") || says("enter site"))).then_some("Pinggy")
        });
    who.map(|who| {
        between(&format!("{who} shows a warning page of its own first."))
            .but("Switch the page off with the provider, where that can be had, or use another way.")
    })
}

/// Answers of those in front that nothing is behind them.
pub(super) fn nothing_behind(sight: &Sight, answer: &Answer) -> Option<Finding> {
    let text = answer.text();
    let host = &sight.host;
    let nothing = |sentence: String| Finding::new(ProbeVerdict::NothingBehind, sentence);
    let by_cloudflare = answer
        .field("server")
        .is_some_and(|server| server.eq_ignore_ascii_case("cloudflare"));
    if let Some(code) = ngrok_code(answer, &text) {
        return Some(match code.as_str() {
            "ERR_NGROK_727" | "ERR_NGROK_725" | "ERR_NGROK_726" => nothing(format!(
                "ngrok lets nothing more through this month: the limit of your account is reached ({code})."
            ))
            .but("A mailing to some hundred readers uses a free account up. Raise the limit there, or use another way."),
            "ERR_NGROK_8012" => nothing(format!(
                "The tunnel of ngrok stands, and it does not find Casement on this computer ({code})."
            ))
            .but("Check that the tunnel leads to the port at which Casement answers behind a proxy, in the settings below."),
            _ => nothing(format!("ngrok knows the address, and no tunnel to this computer stands ({code})."))
                .but("Start the tunnel."),
        });
    }
    if answer.status == 530
        || (by_cloudflare && (text.contains("error code: 1033") || text.contains("error 1033")))
    {
        return Some(
            nothing(format!(
                "Cloudflare knows {host}, and no tunnel to this computer stands (error 1033)."
            ))
            .but("Start the tunnel, and see that the name belongs to it."),
        );
    }
    if let 520..=527 = answer.status {
        return Some(
            nothing(format!(
                "Cloudflare knows {host}, and reaches nothing behind it (error {}).",
                answer.status
            ))
            .but("See that the server or the tunnel behind Cloudflare runs, and that its address there is right."),
        );
    }
    let is_own_picture = answer.body.windows(GIF.len()).any(|bytes| bytes == GIF);
    if is_own_picture && matches!(answer.status, 429 | 503) {
        return Some(
            nothing("Casement was reached, and cannot take anything just now.".to_owned())
                .but("See what the listener says of itself below."),
        );
    }
    if matches!(answer.status, 502..=504) {
        return Some(
            nothing(format!(
                "What stands in front at {host} answers, and reaches nothing behind it (error {}).",
                answer.status
            ))
            .but(
                "See that the tunnel to this computer stands, and that the server in front hands on to the port at which \
                 Casement answers behind a proxy.",
            ),
        );
    }
    let marks = [
        "no tunnel here",
        "tunnel not found",
        "tunnel is not active",
        "the server is powered by <a href=\"https://github.com/fatedier/frp\"",
        "tunnel unavailable",
    ];
    marks.iter().any(|mark| text.contains(mark)).then(|| {
        nothing(format!(
            "The provider of {host} answers that no tunnel to this computer stands."
        ))
        .but("Start the tunnel; an address that changes with each start is another one then.")
    })
}

fn ngrok_code(answer: &Answer, text: &str) -> Option<String> {
    if let Some(code) = answer.field("ngrok-error-code") {
        return Some(cut(code));
    }
    let at = text.find("err_ngrok_")?;
    let digits: String = text[at + 10..].chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then(|| format!("ERR_NGROK_{digits}"))
}
