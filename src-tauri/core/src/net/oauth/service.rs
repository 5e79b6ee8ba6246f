//! Where one signs in: Google and Microsoft from `services.json`, and addresses that the user gives.

use crate::secrets::Secret;
use serde::Deserialize;
use url::{Host, Url};

/// Where and as whom to ask for tokens.
#[derive(Debug, Clone)]
pub struct Client {
    /// The authorization endpoint (RFC 6749 §3.1).
    pub authorize: Url,
    /// The token endpoint (RFC 6749 §3.2).
    pub token: Url,
    /// What is asked for; at least one.
    pub scopes: Vec<String>,
    /// More parameters of the authorization request.
    pub parameters: Vec<(String, String)>,
    /// The redirect address, with `{port}` in it.
    pub redirect: String,
    /// The user's own client id.
    pub id: String,
    /// The client's secret, where it has one.
    pub secret: Option<Secret>,
}

/// A service whose addresses are known.
#[derive(Debug, Clone, Deserialize)]
struct Known {
    id: String,
    authorize: String,
    token: String,
    scopes: Vec<String>,
    parameters: Vec<(String, String)>,
    redirect: String,
    hosts: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    services: Vec<Known>,
}

fn known(service: &str) -> Known {
    let file: File = serde_json::from_str(include_str!("services.json"))
        .expect("the file is part of the program, and a test reads it");
    let mut services = file.services.into_iter();
    services
        .find(|known| known.id == service)
        .expect("callers name services of the file")
}

/// The words `google` and `microsoft` in `services.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Gmail and Google Workspace.
    Google,
    /// Microsoft 365 and Outlook.com.
    Microsoft,
}

impl Service {
    fn known(self) -> Known {
        known(match self {
            Self::Google => "google",
            Self::Microsoft => "microsoft",
        })
    }

    /// Tells whether a token of the service may be shown to the mail server `host`: it is one of the service's own.
    pub fn owns(self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.known().hosts.iter().any(|own| {
            host == *own
                || host
                    .strip_suffix(own.as_str())
                    .is_some_and(|rest| rest.ends_with('.'))
        })
    }

    /// Returns the client `id` of the service; `tenant` is a Microsoft tenant, `common` for any.
    ///
    /// The tenant must be one that [`is_tenant`] takes.
    pub fn client(self, id: &str, secret: Option<Secret>, tenant: &str) -> Client {
        let known = self.known();
        let address = |text: &str| {
            Url::parse(&text.replace("{tenant}", tenant)).expect("a checked tenant in an address of the file")
        };
        Client {
            authorize: address(&known.authorize),
            token: address(&known.token),
            scopes: known.scopes,
            parameters: known.parameters,
            redirect: known.redirect,
            id: id.to_owned(),
            secret,
        }
    }
}

/// Tells whether `text` can stand for a Microsoft tenant: a name such as `common`, a domain, or an id.
pub fn is_tenant(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    !text.is_empty() && text.len() <= 255 && text.chars().all(plain) && !text.contains("..") && text != "."
}

/// Returns the client of another service, by its endpoints.
///
/// `scope` is one or several words. Fails with a sentence where an address is not https; http is for this computer
/// only.
pub fn other(
    authorize: &str,
    token: &str,
    scope: &str,
    id: &str,
    secret: Option<Secret>,
) -> Result<Client, String> {
    let scopes: Vec<String> = scope.split_whitespace().map(str::to_owned).collect();
    if scopes.is_empty() {
        return Err("Write what is asked for, the scope; the service's help names it.".to_owned());
    }
    Ok(Client {
        authorize: endpoint(authorize)?,
        token: endpoint(token)?,
        scopes,
        parameters: Vec::new(),
        redirect: "http://127.0.0.1:{port}/".to_owned(),
        id: id.to_owned(),
        secret,
    })
}

/// Reads the address of an endpoint: https, or http to this computer (RFC 6749 §3.1 wants TLS).
pub fn endpoint(text: &str) -> Result<Url, String> {
    let wrong = || format!("{text:?} is no address to sign in at. Write it whole, beginning with https://.");
    let url = Url::parse(text.trim()).map_err(|_| wrong())?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err(wrong()),
    };
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(wrong());
    }
    match (url.scheme(), loopback) {
        ("https", _) | ("http", true) => Ok(url),
        ("http", false) => Err(format!(
            "{text} is not encrypted, so others could read what you sign in with. Write an address that begins with \
             https://."
        )),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_services_is_whole() {
        for service in [Service::Google, Service::Microsoft] {
            let client = service.client("id", None, "common");
            assert_eq!(client.authorize.scheme(), "https");
            assert_eq!(client.token.scheme(), "https");
            assert!(!client.scopes.is_empty() && client.redirect.contains("{port}"));
            assert!(!client.token.as_str().contains("tenant"), "{}", client.token);
        }
        let own = Service::Microsoft.client("id", None, "club.example.org");
        assert_eq!(
            own.token.as_str(),
            "https://login.microsoftonline.com/club.example.org/oauth2/v2.0/token"
        );
    }

    #[test]
    fn a_token_goes_to_its_own_services_servers_only() {
        let table = [
            (Service::Google, "smtp.gmail.com", true),
            (Service::Google, "SMTP.Gmail.com", true),
            (Service::Google, "smtp.gmail.com.example.org", false),
            (Service::Google, "smtp.office365.com", false),
            (Service::Microsoft, "smtp.office365.com", true),
            (Service::Microsoft, "smtp-mail.outlook.com", true),
            (Service::Microsoft, "notoutlook.com", false),
        ];
        for (service, host, owns) in table {
            assert_eq!(service.owns(host), owns, "{service:?} {host}");
        }
    }

    #[test]
    fn an_endpoint_is_encrypted_or_on_this_computer() {
        let table = [
            ("https://login.example.org/authorize", true),
            ("http://127.0.0.1:8080/authorize", true),
            ("http://localhost/token", true),
            ("http://[::1]:9/token", true),
            ("http://login.example.org/authorize", false),
            ("http://127.0.0.1.example.org/", false),
            ("https://ana:secret@login.example.org/", false),
            ("https://login.example.org/#part", false),
            ("ftp://login.example.org/", false),
            ("login.example.org", false),
            ("", false),
        ];
        for (text, good) in table {
            assert_eq!(endpoint(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_tenant_is_a_name_and_no_path() {
        for good in [
            "common",
            "organizations",
            "club.example.org",
            "8eaef023-2b34-4da1-9baa-8bc8c9d6a490",
        ] {
            assert!(is_tenant(good), "{good}");
        }
        for bad in ["", "a/b", "..", "common?x=1", "a b", "common#"] {
            assert!(!is_tenant(bad), "{bad}");
        }
    }
}
