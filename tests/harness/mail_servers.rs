//! Postfix and Dovecot from the distribution's packages, with folders and ports of their own.
//!
//! Postfix takes mail on one loopback port, after STARTTLS and a login that Dovecot checks, and hands it to
//! Dovecot by LMTP; Dovecot keeps maildirs and serves them by IMAP. Both run in the foreground as root without an
//! init system, as in a container, and end when this is dropped. The test authority that signed Postfix's
//! certificate is the PEM file that `casementctl` is told to trust as well.

use super::ctl::{Ctl, Outcome};
use super::process::Group;
use super::{free_port, imap::Mailbox, until, until_or};
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The password of every user of the test servers.
pub const PASSWORD: &str = "correct horse";
/// A public name under which a test's web server answers. Only a test's own name server knows it.
pub const WEB_NAME: &str = "news.harbour-club.eu";

/// Postfix and Dovecot, running.
pub struct MailServers {
    /// Where Postfix takes mail.
    pub smtp_port: u16,
    imap_port: u16,
    // Fields are dropped in this order: Postfix first, it talks to Dovecot.
    _postfix: Group,
    _dovecot: Group,
    dir: TempDir,
}

impl MailServers {
    /// Starts both with a mailbox for each of `users`, or says why that cannot be.
    pub fn start(users: &[&str]) -> Result<Self, String> {
        Self::start_with(users, &[], None)
    }

    /// As [`Self::start`]; Postfix takes mail for `gone` as well, whom Dovecot then does not know: that mail comes back.
    pub fn start_with_gone(users: &[&str], gone: &[&str]) -> Result<Self, String> {
        Self::start_with(users, gone, None)
    }

    /// As [`Self::start`]; takes XOAUTH2 as well, with the tokens that `introspection` says are good.
    pub fn start_with_tokens(users: &[&str], introspection: &str) -> Result<Self, String> {
        Self::start_with(users, &[], Some(introspection))
    }

    fn start_with(users: &[&str], gone: &[&str], introspection: Option<&str>) -> Result<Self, String> {
        let programs = Programs::find()?;
        let dir = tempfile::Builder::new()
            .prefix("casement-mail-")
            .tempdir()
            .expect("a temporary folder can be made");
        // Postfix and Dovecot drop to users of their own, who have to get through.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("own folder");
        certificates(dir.path());
        let imap_port = free_port();
        let dovecot = dovecot(&programs, dir.path(), users, imap_port, introspection);
        let smtp_port = free_port();
        let postfix = postfix(&programs, dir.path(), &[users, gone].concat(), smtp_port);
        let servers = Self {
            smtp_port,
            imap_port,
            _postfix: postfix,
            _dovecot: dovecot,
            dir,
        };
        for (name, port) in [("Postfix", smtp_port), ("Dovecot", imap_port)] {
            until(
                &format!("{name} should take connections;\n{}", servers.logs()),
                || TcpStream::connect(("127.0.0.1", port)).ok(),
            );
        }
        Ok(servers)
    }

    /// Returns the certificate of the authority that signed Postfix's.
    pub fn root_pem(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Returns Postfix's certificate, as a PEM file.
    pub fn certificate_pem(&self) -> PathBuf {
        self.dir.path().join("server.pem")
    }

    /// Returns the certificate for [`WEB_NAME`] that the same authority signed, and its key, as PEM files.
    pub fn web_certificate(&self) -> (PathBuf, PathBuf) {
        (self.dir.path().join("web.pem"), self.dir.path().join("web.key"))
    }

    /// Adds the account Harbour of `news@harbour.test` to a workspace that trusts [`Self::root_pem`].
    pub fn account(&self, ctl: &Ctl) -> Outcome {
        let port = self.smtp_port.to_string();
        let account = [
            "account",
            "add",
            "--name",
            "Harbour",
            "--host",
            "localhost",
            "--port",
            &port,
            "--tls",
            "starttls",
            "--user",
            "news@harbour.test",
            "--password-stdin",
            "--from",
            "Harbour Club <news@harbour.test>",
        ];
        let added = ctl.run_with_input(account, format!("{PASSWORD}\n").as_bytes());
        assert_eq!(added.code, Some(0), "the account is kept: {added:?}");
        added
    }

    /// Opens a user's mailbox by IMAP.
    pub fn mailbox(&self, user: &str) -> Mailbox {
        Mailbox::open(self.imap_port, user, PASSWORD)
    }

    /// Waits until `user` has `count` mails and returns them, oldest first.
    pub fn wait_for_mails(&self, user: &str, count: usize) -> Vec<Vec<u8>> {
        // Opened anew each time: one that was opened before its first mail was ever delivered may never hear of it.
        let mut mailbox = until_or(
            || format!("{user} should have {count} mails;\n{}", self.logs()),
            || {
                let mut mailbox = self.mailbox(user);
                (mailbox.count() >= count).then_some(mailbox)
            },
        );
        let mails = mailbox.mails();
        assert_eq!(mails.len(), count, "{user} should have {count} mails and no more");
        mails
    }

    /// Waits until Postfix has nothing left to deliver: what is in no mailbox now will never be.
    pub fn wait_until_delivered(&self) {
        let queue = self.dir.path().join("queue");
        until(
            &format!("Postfix should deliver all it took;\n{}", self.logs()),
            || {
                ["maildrop", "incoming", "active", "deferred"]
                    .iter()
                    .all(|name| is_without_files(&queue.join(name)))
                    .then_some(())
            },
        );
    }

    /// Returns what both servers wrote into their logs.
    pub fn logs(&self) -> String {
        ["postfix.log", "dovecot.log"]
            .map(|name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default())
            .join("\n")
    }
}

fn is_without_files(dir: &Path) -> bool {
    let Ok(entries) = fs::read_dir(dir) else {
        return true;
    };
    entries
        .flatten()
        .all(|entry| entry.path().is_dir() && is_without_files(&entry.path()))
}

struct Programs {
    postfix: PathBuf,
    postfix_daemons: String,
    dovecot: PathBuf,
}

impl Programs {
    fn find() -> Result<Self, String> {
        let program = |name: &str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path)
                .chain(["/usr/sbin".into(), "/usr/bin".into()])
                .map(|dir| dir.join(name))
                .find(|file| file.is_file())
                .ok_or_else(|| format!("{name} is not on this machine; `cargo xtask test` installs it"))
        };
        let (postfix, dovecot) = (program("postfix")?, program("dovecot")?);
        if !rustix::process::geteuid().is_root() {
            return Err("Postfix starts as root only, and this test does not run as root".to_owned());
        }
        let version = stdout(Command::new(&dovecot).arg("--version"));
        if !version.starts_with("2.3.") {
            return Err(format!(
                "this test knows Dovecot 2.3, and here is {}",
                version.trim()
            ));
        }
        // `-d` asks for the default, which needs no main.cf.
        let daemons = stdout(Command::new(program("postconf")?).args(["-dh", "daemon_directory"]));
        Ok(Self {
            postfix,
            postfix_daemons: daemons.trim().to_owned(),
            dovecot,
        })
    }
}

fn stdout(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn write(path: PathBuf, text: &str) {
    fs::write(&path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

/// Makes an authority and a certificate for `localhost` that it signed, good for two days.
fn certificates(dir: &Path) {
    // A file of our own: the system's would make every certificate an authority.
    write(
        dir.join("openssl.cnf"),
        &format!(
            "[req]\n\
         distinguished_name = name\n\
         [name]\n\
         [authority]\n\
         basicConstraints = critical, CA:TRUE\n\
         keyUsage = critical, keyCertSign\n\
         subjectKeyIdentifier = hash\n\
         [server]\n\
         basicConstraints = critical, CA:FALSE\n\
         keyUsage = critical, digitalSignature\n\
         extendedKeyUsage = serverAuth\n\
         subjectAltName = DNS:localhost, IP:127.0.0.1\n\
         [web]\n\
         basicConstraints = critical, CA:FALSE\n\
         keyUsage = critical, digitalSignature\n\
         extendedKeyUsage = serverAuth\n\
         subjectAltName = DNS:{WEB_NAME}\n"
        ),
    );
    let signed = |section: &str, name: &str, subject: &str, by: &[&str]| {
        let output = Command::new("openssl")
            .current_dir(dir)
            .args(["req", "-x509", "-config", "openssl.cnf", "-extensions", section])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
            .args(["-days", "2", "-subj", subject])
            .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")])
            .args(by)
            .output()
            .expect("openssl comes with Postfix's packages");
        assert!(
            output.status.success(),
            "openssl makes {name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    signed("authority", "ca", "/CN=Casement test authority", &[]);
    signed(
        "server",
        "server",
        "/CN=localhost",
        &["-CA", "ca.pem", "-CAkey", "ca.key"],
    );
    signed(
        "web",
        "web",
        &format!("/CN={WEB_NAME}"),
        &["-CA", "ca.pem", "-CAkey", "ca.key"],
    );
}

fn dovecot(
    programs: &Programs,
    dir: &Path,
    users: &[&str],
    imap_port: u16,
    introspection: Option<&str>,
) -> Group {
    let at = dir.display();
    let (mechanisms, tokens) = match introspection {
        None => ("plain login", String::new()),
        Some(url) => {
            write(
                dir.join("oauth2.conf"),
                &format!(
                    "introspection_mode = post\nintrospection_url = {url}\nusername_attribute = username\n\
                     active_attribute = active\nactive_value = true\n"
                ),
            );
            (
                "plain login xoauth2",
                format!(
                    "passdb {{\n  driver = oauth2\n  mechanisms = xoauth2\n  args = {at}/oauth2.conf\n}}\n"
                ),
            )
        }
    };
    // The mailboxes' owner: any user but root, who gets no mail from Dovecot.
    let mail = dir.join("mail");
    fs::create_dir(&mail).expect("own folder");
    std::os::unix::fs::chown(&mail, Some(65534), Some(65534)).expect("root may give folders away");
    let passwords: String = users
        .iter()
        .map(|user| format!("{user}:{{PLAIN}}{PASSWORD}:65534:65534::{at}/mail/{user}::\n"))
        .collect();
    write(dir.join("users"), &passwords);
    write(
        dir.join("dovecot.conf"),
        &format!(
            "base_dir = {at}/run\n\
             state_dir = {at}/state\n\
             instance_name = casement-test\n\
             log_path = {at}/dovecot.log\n\
             protocols = imap lmtp\n\
             listen = 127.0.0.1\n\
             ssl = no\n\
             disable_plaintext_auth = no\n\
             auth_mechanisms = {mechanisms}\n\
             auth_failure_delay = 0 secs\n\
             first_valid_uid = 1\n\
             mail_location = maildir:~/Maildir\n\
             {tokens}\
             passdb {{\n  driver = passwd-file\n  args = username_format=%u {at}/users\n}}\n\
             userdb {{\n  driver = passwd-file\n  args = username_format=%u {at}/users\n}}\n\
             service auth {{\n  unix_listener postfix-auth {{\n    mode = 0666\n  }}\n}}\n\
             service lmtp {{\n  unix_listener postfix-lmtp {{\n    mode = 0666\n  }}\n}}\n\
             service imap-login {{\n  inet_listener imap {{\n    port = {imap_port}\n  }}\n  \
             inet_listener imaps {{\n    port = 0\n  }}\n}}\n"
        ),
    );
    let mut command = Command::new(&programs.dovecot);
    command.arg("-F").arg("-c").arg(dir.join("dovecot.conf"));
    Group::start("Dovecot", quiet(&mut command, dir, "dovecot"))
}

/// The services of `master.cf(5)` that taking mail and handing it on by LMTP needs.
const SERVICES: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

fn postfix(programs: &Programs, dir: &Path, users: &[&str], smtp_port: u16) -> Group {
    let at = dir.display();
    let config = dir.join("postfix");
    for folder in ["postfix", "queue", "data"] {
        fs::create_dir(dir.join(folder)).expect("own folder");
    }
    let owner = stdout(Command::new("id").args(["-u", "postfix"]));
    let owner: u32 = owner
        .trim()
        .parse()
        .expect("Postfix's package makes the user postfix");
    std::os::unix::fs::chown(dir.join("data"), Some(owner), None).expect("root may give folders away");
    // No table of mailboxes would mean that every address is one.
    let mailboxes: String = users.iter().map(|user| format!("{user} mailbox\n")).collect();
    write(config.join("mailboxes"), &mailboxes);
    let mut domains: Vec<&str> = users.iter().filter_map(|user| user.split('@').nth(1)).collect();
    domains.sort_unstable();
    domains.dedup();
    write(
        config.join("main.cf"),
        &format!(
            "compatibility_level = 3.6\n\
             config_directory = {at}/postfix\n\
             queue_directory = {at}/queue\n\
             data_directory = {at}/data\n\
             daemon_directory = {daemons}\n\
             mail_owner = postfix\n\
             setgid_group = postdrop\n\
             maillog_file = {at}/postfix.log\n\
             maillog_file_prefixes = {at}\n\
             inet_interfaces = 127.0.0.1\n\
             inet_protocols = ipv4\n\
             myhostname = mail.casement.test\n\
             mydestination =\n\
             alias_maps =\n\
             alias_database =\n\
             virtual_mailbox_domains = {domains}\n\
             virtual_mailbox_maps = texthash:{at}/postfix/mailboxes\n\
             default_transport = error:no mail leaves the test\n\
             relay_transport = error:no mail leaves the test\n\
             virtual_transport = lmtp:unix:{at}/run/postfix-lmtp\n\
             smtpd_tls_security_level = encrypt\n\
             smtpd_tls_auth_only = yes\n\
             smtpd_tls_cert_file = {at}/server.pem\n\
             smtpd_tls_key_file = {at}/server.key\n\
             smtpd_sasl_auth_enable = yes\n\
             smtpd_sasl_type = dovecot\n\
             smtpd_sasl_path = {at}/run/postfix-auth\n\
             smtpd_relay_restrictions = permit_sasl_authenticated, reject\n\
             smtpd_recipient_restrictions = reject_unlisted_recipient, permit_sasl_authenticated, reject\n\
             smtpd_error_sleep_time = 0\n",
            daemons = programs.postfix_daemons,
            domains = domains.join(", "),
        ),
    );
    write(
        config.join("master.cf"),
        &format!("127.0.0.1:{smtp_port} inet n - n - - smtpd\n{SERVICES}"),
    );
    // Makes the folders of the queue, as `postfix start` would.
    let mut check = Command::new(&programs.postfix);
    check.arg("-c").arg(&config).arg("check");
    let checked = quiet(&mut check, dir, "postfix").status().expect("postfix runs");
    assert!(checked.success(), "Postfix takes its configuration: {dir:?}");
    // Its master itself, without the script that `postfix start` is: one process to end.
    let mut master = Command::new(Path::new(&programs.postfix_daemons).join("master"));
    master.arg("-c").arg(&config).arg("-s");
    Group::start_leader("Postfix", quiet(&mut master, dir, "postfix"))
}

/// Keeps what a server says before its log is open.
fn quiet<'a>(command: &'a mut Command, dir: &Path, name: &str) -> &'a mut Command {
    let out = fs::File::create(dir.join(format!("{name}.out"))).expect("own folder");
    let err = out.try_clone().expect("a file has many handles");
    command.stdin(Stdio::null()).stdout(out).stderr(err)
}
