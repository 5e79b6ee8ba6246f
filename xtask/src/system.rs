//! What the project needs from the system, and how each package manager calls it.
//!
//! A need is probed by what it brings (a program, a library), not by a package's name, so that a machine
//! set up another way is taken as it is.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::host::{self, Rights};
use crate::sh;

mod apt;

/// What a need brings, and so how one sees whether it is there.
enum Probe {
    /// Any of these programs.
    Program(&'static [&'static str]),
    /// A library with its headers, by the name that pkg-config knows.
    Library(&'static str),
    /// Any of these files.
    File(&'static [&'static str]),
    /// At least one font.
    Fonts,
}

/// Something that the project needs from the system.
pub struct Need {
    /// What it is, for people.
    pub what: &'static str,
    probe: Probe,
    /// The packages' names by manager; empty where they are unknown or not needed.
    apt: &'static [&'static str],
    dnf: &'static [&'static str],
    pacman: &'static [&'static str],
    zypper: &'static [&'static str],
    brew: &'static [&'static str],
}

/// A C compiler: SQLite and ring are C.
const COMPILER: Need = Need {
    what: "a C compiler",
    probe: Probe::Program(&["cc"]),
    apt: &["build-essential"],
    dnf: &["gcc", "make"],
    pacman: &["base-devel"],
    zypper: &["gcc", "make"],
    brew: &[],
};

const PKG_CONFIG: Need = Need {
    what: "pkg-config",
    probe: Probe::Program(&["pkg-config", "pkgconf"]),
    apt: &["pkg-config"],
    dnf: &["pkgconf-pkg-config"],
    pacman: &["pkgconf"],
    zypper: &["pkg-config"],
    brew: &[],
};

/// The web view of the window, and GTK with it.
const WEBKIT: Need = Need {
    what: "WebKitGTK 4.1 with headers",
    probe: Probe::Library("webkit2gtk-4.1"),
    apt: &["libwebkit2gtk-4.1-dev"],
    dnf: &["webkit2gtk4.1-devel"],
    pacman: &["webkit2gtk-4.1"],
    zypper: &["webkit2gtk3-devel"],
    brew: &[],
};

const FONTS: Need = Need {
    what: "a font",
    probe: Probe::Fonts,
    apt: &["fonts-dejavu-core", "fontconfig"],
    dnf: &["dejavu-sans-fonts", "fontconfig"],
    pacman: &["ttf-dejavu", "fontconfig"],
    zypper: &["dejavu-fonts", "fontconfig"],
    brew: &[],
};

const XVFB: Need = Need {
    what: "Xvfb (a display without a screen)",
    probe: Probe::Program(&["Xvfb"]),
    apt: &["xvfb"],
    dnf: &["xorg-x11-server-Xvfb"],
    pacman: &["xorg-server-xvfb"],
    zypper: &["xorg-x11-server-Xvfb"],
    brew: &[],
};

const WEBDRIVER: Need = Need {
    what: "WebKitWebDriver",
    probe: Probe::Program(&["WebKitWebDriver"]),
    apt: &["webkit2gtk-driver"],
    dnf: &["webkit2gtk-driver"],
    pacman: &["webkit2gtk-4.1"],
    zypper: &["webkit2gtk-4_1-injected-bundles"],
    brew: &[],
};

const DBUS: Need = Need {
    what: "D-Bus",
    probe: Probe::Program(&["dbus-daemon"]),
    apt: &["dbus"],
    dnf: &["dbus-daemon"],
    pacman: &["dbus"],
    zypper: &["dbus-1-daemon"],
    brew: &[],
};

const CHROMIUM_NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

const CHROMIUM: Need = Need {
    what: "Chromium",
    probe: Probe::Program(CHROMIUM_NAMES),
    apt: &["chromium"],
    dnf: &["chromium"],
    pacman: &["chromium"],
    zypper: &["chromium"],
    brew: &["chromium"],
};

const POSTFIX: Need = Need {
    what: "Postfix",
    probe: Probe::Program(&["postfix"]),
    apt: &["postfix"],
    dnf: &["postfix", "cyrus-sasl-plain"],
    pacman: &["postfix"],
    zypper: &["postfix"],
    brew: &[],
};

const DOVECOT: Need = Need {
    what: "Dovecot with IMAP",
    probe: Probe::File(&[
        "/usr/lib/dovecot/imap",
        "/usr/libexec/dovecot/imap",
        "/usr/local/libexec/dovecot/imap",
    ]),
    apt: &["dovecot-core", "dovecot-imapd"],
    dnf: &["dovecot"],
    pacman: &["dovecot"],
    zypper: &["dovecot"],
    brew: &["dovecot"],
};

const DOVECOT_LMTP: Need = Need {
    what: "Dovecot's LMTP server",
    probe: Probe::File(&[
        "/usr/lib/dovecot/lmtp",
        "/usr/libexec/dovecot/lmtp",
        "/usr/local/libexec/dovecot/lmtp",
    ]),
    apt: &["dovecot-lmtpd"],
    dnf: &["dovecot"],
    pacman: &["dovecot"],
    zypper: &["dovecot"],
    brew: &["dovecot"],
};

/// Tunnels are tried with it; the client is on every machine that has it.
const OPENSSH_SERVER: Need = Need {
    what: "OpenSSH's server",
    probe: Probe::File(&["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"]),
    apt: &["openssh-server", "openssh-client"],
    dnf: &["openssh-server", "openssh-clients"],
    pacman: &["openssh"],
    zypper: &["openssh"],
    brew: &[],
};

/// A network of a test's own, to take away; `unshare` is on every Linux.
const NETWORKS: Need = Need {
    what: "ip (networks of tests' own)",
    probe: Probe::Program(&["ip"]),
    apt: &["iproute2"],
    dnf: &["iproute"],
    pacman: &["iproute2"],
    zypper: &["iproute2"],
    brew: &[],
};

const CADDY: Need = Need {
    what: "Caddy",
    probe: Probe::Program(&["caddy"]),
    apt: &["caddy"],
    dnf: &["caddy"],
    pacman: &["caddy"],
    zypper: &["caddy"],
    brew: &[],
};

const DNSMASQ: Need = Need {
    what: "dnsmasq",
    probe: Probe::File(&["/usr/sbin/dnsmasq", "/usr/bin/dnsmasq", "/usr/local/sbin/dnsmasq"]),
    apt: &["dnsmasq-base"],
    dnf: &["dnsmasq"],
    pacman: &["dnsmasq"],
    zypper: &["dnsmasq"],
    brew: &[],
};

const CURL: Need = Need {
    what: "curl",
    probe: Probe::Program(&["curl"]),
    apt: &["curl", "ca-certificates"],
    dnf: &["curl"],
    pacman: &["curl"],
    zypper: &["curl"],
    brew: &[],
};

const OPENSSL: Need = Need {
    what: "openssl (for the certificates of test servers)",
    probe: Probe::Program(&["openssl"]),
    apt: &["openssl"],
    dnf: &["openssl"],
    pacman: &["openssl"],
    zypper: &["openssl"],
    brew: &[],
};

const NGINX: Need = Need {
    what: "nginx (what the pixel's bench compares with)",
    probe: Probe::Program(&["nginx"]),
    apt: &["nginx-light"],
    dnf: &["nginx-core"],
    pacman: &["nginx"],
    zypper: &["nginx"],
    brew: &["nginx"],
};

const STRACE: Need = Need {
    what: "strace (the order of what reaches the disk)",
    probe: Probe::Program(&["strace"]),
    apt: &["strace"],
    dnf: &["strace"],
    pacman: &["strace"],
    zypper: &["strace"],
    brew: &[],
};

const SQLITE: Need = Need {
    what: "sqlite3 (a second opinion on databases)",
    probe: Probe::Program(&["sqlite3"]),
    apt: &["sqlite3"],
    dnf: &["sqlite"],
    pacman: &["sqlite"],
    zypper: &["sqlite3"],
    brew: &["sqlite"],
};

const SMTP_SINK: Need = Need {
    what: "smtp-sink of Postfix",
    probe: Probe::Program(&["smtp-sink"]),
    apt: &["postfix"],
    dnf: &["postfix"],
    pacman: &["postfix"],
    zypper: &["postfix"],
    brew: &[],
};

const SMTP_SOURCE: Need = Need {
    what: "smtp-source of Postfix",
    probe: Probe::Program(&["smtp-source"]),
    ..SMTP_SINK
};

/// What it takes to build the window.
const WINDOW: &[&Need] = if cfg!(target_os = "linux") {
    &[&COMPILER, &PKG_CONFIG, &WEBKIT]
} else {
    &[&COMPILER]
};

/// What it takes to drive the window under test.
const WINDOW_TEST: &[&Need] = &[&XVFB, &WEBDRIVER, &DBUS, &FONTS];

/// What it takes to drive the user interface in a browser.
const BROWSER_TEST: &[&Need] = &[&CHROMIUM, &FONTS];

/// What the mail tests talk to.
const MAIL_TEST: &[&Need] = &[&POSTFIX, &DOVECOT, &DOVECOT_LMTP, &OPENSSL];

/// What the tests of tunnels connect to.
const TUNNEL_TEST: &[&Need] = &[&OPENSSH_SERVER, &NETWORKS, &CADDY, &DNSMASQ, &CURL];

/// What the pixel's bench compares with.
const PIXEL_BENCH: &[&Need] = &[&NGINX];

/// What the bench of sending sends to, and compares with.
const SEND_BENCH: &[&Need] = &[&SMTP_SINK, &SMTP_SOURCE];

/// What the tests of power cuts and locks look through.
const CRASH_TEST: &[&Need] = &[&STRACE, &SQLITE];

/// The browser for the browser tests, where there is one.
pub fn chromium() -> Option<PathBuf> {
    CHROMIUM_NAMES.iter().find_map(|name| host::program(name))
}

/// A part of the work, with needs of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Building the window.
    Window,
    /// Driving the real window.
    WindowTest,
    /// Driving the user interface in a browser.
    BrowserTest,
    /// Sending to real mail servers.
    MailTest,
    /// Reaching this computer through a server.
    TunnelTest,
    /// Cutting the power, and locking the database from outside.
    CrashTest,
    /// Measuring the listener beside another server.
    PixelBench,
    /// Measuring how fast mails leave.
    SendBench,
}

impl Part {
    /// Everything that `cargo xtask test` wants.
    pub const ALL: [Part; 6] = [
        Part::Window,
        Part::WindowTest,
        Part::BrowserTest,
        Part::MailTest,
        Part::TunnelTest,
        Part::CrashTest,
    ];

    fn needs(self) -> &'static [&'static Need] {
        match self {
            Part::Window => WINDOW,
            Part::WindowTest => WINDOW_TEST,
            Part::BrowserTest => BROWSER_TEST,
            Part::MailTest => MAIL_TEST,
            Part::TunnelTest => TUNNEL_TEST,
            Part::CrashTest => CRASH_TEST,
            Part::PixelBench => PIXEL_BENCH,
            Part::SendBench => SEND_BENCH,
        }
    }

    /// What of this part's needs is not there, in words; empty when all is.
    pub fn missing(self) -> Vec<&'static str> {
        self.needs()
            .iter()
            .filter(|need| !need.is_there())
            .map(|need| need.what)
            .collect()
    }
}

impl Need {
    fn is_there(&self) -> bool {
        match self.probe {
            Probe::Program(names) => names.iter().any(|name| host::program(name).is_some()),
            Probe::Library(name) => sh::succeeds(Command::new("pkg-config").args(["--exists", name])),
            Probe::File(files) => files.iter().any(|file| std::path::Path::new(file).exists()),
            Probe::Fonts => {
                sh::output(&mut Command::new("fc-list")).is_ok_and(|list| !list.trim().is_empty())
            }
        }
    }
}

/// The package managers that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Apt,
    Dnf,
    Pacman,
    Zypper,
    Brew,
}

impl Manager {
    fn of_this_machine() -> Option<Manager> {
        [
            ("apt-get", Manager::Apt),
            ("dnf", Manager::Dnf),
            ("zypper", Manager::Zypper),
            ("pacman", Manager::Pacman),
            ("brew", Manager::Brew),
        ]
        .into_iter()
        .find(|(program, _)| host::program(program).is_some())
        .map(|(_, manager)| manager)
    }

    fn packages(self, need: &Need) -> &'static [&'static str] {
        match self {
            Manager::Apt => need.apt,
            Manager::Dnf => need.dnf,
            Manager::Pacman => need.pacman,
            Manager::Zypper => need.zypper,
            Manager::Brew => need.brew,
        }
    }

    /// The commands that install `packages`, as one would type them, without `sudo`.
    fn commands(self, packages: &[&str]) -> Vec<Vec<String>> {
        let install: &[&str] = match self {
            Manager::Apt => return apt::commands(packages),
            Manager::Dnf => &["dnf", "install", "-y"],
            Manager::Pacman => &["pacman", "-S", "--needed", "--noconfirm"],
            Manager::Zypper => &["zypper", "--non-interactive", "install"],
            Manager::Brew => &["brew", "install"],
        };
        vec![
            install
                .iter()
                .chain(packages)
                .map(|word| (*word).to_owned())
                .collect(),
        ]
    }

    /// Whether the manager wants root; Homebrew refuses it.
    fn wants_root(self) -> bool {
        self != Manager::Brew
    }
}

/// Installs what `parts` need and this machine lacks, and says so before it does.
///
/// # Errors
/// Where installing is impossible (no known package manager, no rights), with the exact commands.
/// A need that is still missing afterwards is no error here: ask [`Part::missing`].
pub fn install(parts: &[Part]) -> Result<()> {
    let mut needs: Vec<&Need> = parts.iter().flat_map(|part| part.needs()).copied().collect();
    needs.retain(|need| !need.is_there());
    needs.sort_by_key(|need| need.what);
    needs.dedup_by_key(|need| need.what);
    if needs.is_empty() {
        return Ok(());
    }
    println!(
        "Missing on this machine: {}.",
        needs.iter().map(|n| n.what).collect::<Vec<_>>().join(", ")
    );
    let Some(manager) = Manager::of_this_machine() else {
        bail!(
            "no package manager that xtask knows (apt, dnf, zypper, pacman, brew): install the above with \
             yours, then start again"
        );
    };
    let mut packages: Vec<&str> = needs
        .iter()
        .flat_map(|need| manager.packages(need))
        .copied()
        .collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        bail!("install the above by hand, then start again (on macOS: `xcode-select --install`)");
    }
    println!(
        "Installing these packages of your system: {}.",
        packages.join(" ")
    );
    let commands = manager.commands(&packages);
    let sudo = match (manager.wants_root(), host::rights()) {
        (false, _) | (true, Rights::Root) => false,
        (true, Rights::Sudo) => true,
        (true, Rights::None) => bail!(
            "packages are missing, and this process may not install them. As root, run:\n{}",
            commands
                .iter()
                .map(|words| format!("    {}", words.join(" ")))
                .collect::<Vec<_>>()
                .join("\n")
        ),
    };
    if manager == Manager::Apt {
        return apt::install(&packages, sudo);
    }
    for words in &commands {
        sh::run(&mut as_root(words, sudo))?;
    }
    Ok(())
}

/// A command of `words`, by `sudo` if asked.
fn as_root(words: &[String], sudo: bool) -> Command {
    let sudo = if sudo { &["sudo".to_owned()][..] } else { &[] };
    let mut words = sudo.iter().chain(words);
    let mut command = Command::new(words.next().map_or("true", String::as_str));
    command.args(words);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_need_has_a_package_for_debian() {
        let parts = Part::ALL.iter().chain(&[Part::PixelBench, Part::SendBench]);
        for need in parts.flat_map(|part| part.needs()) {
            assert!(
                !need.apt.is_empty(),
                "{} can be installed on Debian and Ubuntu",
                need.what
            );
        }
    }

    #[test]
    fn no_install_command_waits_for_an_answer() {
        for manager in [Manager::Apt, Manager::Dnf, Manager::Pacman, Manager::Zypper] {
            let commands = manager.commands(&["one", "two"]);
            let last = commands.last().expect("there is a command").join(" ");
            assert!(
                ["-y", "--noconfirm", "--non-interactive"]
                    .iter()
                    .any(|flag| last.contains(flag)),
                "nobody may be there to answer: {last}"
            );
            assert!(last.ends_with("one two"), "all packages are asked for: {last}");
        }
    }

    #[test]
    fn sudo_comes_first_when_it_is_needed() {
        let words = ["dnf".to_owned(), "install".to_owned()];
        assert_eq!(sh::shown(&as_root(&words, true)), "sudo dnf install");
        assert_eq!(sh::shown(&as_root(&words, false)), "dnf install");
    }
}
