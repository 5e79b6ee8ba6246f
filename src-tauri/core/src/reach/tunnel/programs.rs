//! Where programs are found, what they say of themselves, and the keys that ssh wants.

use super::Environment;
use data_encoding::{BASE64, BASE64_NOPAD};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long a program may take to say its version, make a key, or ask a server for its own.
const LIMIT: Duration = Duration::from_secs(15);

/// Returns the program `name` in one of `folders`, in their order.
pub fn find(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let names: &[String] = &if cfg!(windows) {
        vec![format!("{name}.exe"), name.to_owned()]
    } else {
        vec![name.to_owned()]
    };
    folders
        .iter()
        .flat_map(|folder| names.iter().map(|name| folder.join(name)))
        .find(|file| is_program(file))
}

/// Tells whether a file can be run.
pub fn is_program(file: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    }
    #[cfg(not(unix))]
    file.is_file()
}

/// What a program said until its end.
struct Said {
    is_well: bool,
    stdout: String,
    stderr: String,
}

fn run(program: &Path, arguments: &[&OsStr], environment: &Environment) -> Result<Said, String> {
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{} cannot be run: {error}", program.display()))?;
    let id = child.id();
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = receiver
        .recv_timeout(LIMIT)
        .map_err(|_| {
            // The thread waits for it, so the number is still its own.
            super::leash::kill(id);
            format!(
                "{} did not answer in {} seconds",
                program.display(),
                LIMIT.as_secs()
            )
        })?
        .map_err(|error| error.to_string())?;
    Ok(Said {
        is_well: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Returns the first line that a program says when it is asked for its version.
pub fn version(name: &str, program: &Path, environment: &Environment) -> Option<String> {
    let argument = match name {
        "ssh" => "-V",
        "tailscale" | "ngrok" | "zrok" => "version",
        _ => "--version",
    };
    let said = run(program, &[OsStr::new(argument)], environment).ok()?;
    [said.stdout, said.stderr]
        .iter()
        .flat_map(|text| text.lines())
        .map(str::trim)
        .find(|line| !line.is_empty())
        .map(|line| super::words::clean(&line.chars().take(120).collect::<String>(), &[]))
}

/// Returns the public key of the key file `key`, which is made by `keygen` where it is missing and `may_make`.
///
/// Fails with a sentence where the file is not a key without a passphrase that this user alone can read.
pub fn public_key(
    keygen: &Path,
    key: &Path,
    may_make: bool,
    environment: &Environment,
) -> Result<String, String> {
    if !key.exists() {
        if !may_make {
            return Err(format!("There is no key file {}.", key.display()));
        }
        let arguments = ["-q", "-t", "ed25519", "-N", "", "-C", "casement", "-f"].map(OsStr::new);
        let said = run(
            keygen,
            &[&arguments[..], &[key.as_os_str()]].concat(),
            environment,
        )?;
        if !said.is_well {
            return Err(format!("ssh-keygen made no key: {}", said.stderr.trim()));
        }
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(key)
            .map_err(|error| format!("The key file {} cannot be read: {error}.", key.display()))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(format!(
                "Other users of this computer can read the key file {0}. Run: chmod 600 {0}",
                key.display()
            ));
        }
    }
    let arguments = ["-y", "-P", "", "-f"].map(OsStr::new);
    let said = run(
        keygen,
        &[&arguments[..], &[key.as_os_str()]].concat(),
        environment,
    )?;
    let line = said.stdout.trim();
    if said.is_well && !line.is_empty() {
        Ok(line.to_owned())
    } else {
        Err(format!(
            "{} is no key that can be used without a passphrase: {}",
            key.display(),
            said.stderr.trim()
        ))
    }
}

/// Asks a server for its own key and returns it as `type base64`.
///
/// Nobody vouches for it: its owner compares [`fingerprint`].
pub fn host_key(
    keyscan: &Path,
    server: &str,
    port: u16,
    environment: &Environment,
) -> Result<String, String> {
    let port = port.to_string();
    let arguments = ["-T", "8", "-t", "ed25519,ecdsa,rsa", "-p", &port, "--", server].map(OsStr::new);
    let said = run(keyscan, &arguments, environment)?;
    let keys: Vec<(&str, &str)> = said
        .stdout
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            Some((words.next()?, words.next()?))
        })
        .collect();
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"]
        .iter()
        .find_map(|kind| keys.iter().find(|(found, _)| found == kind))
        .or(keys.first())
        .map(|(kind, key)| format!("{kind} {key}"))
        .ok_or_else(|| {
            let last = said
                .stderr
                .lines()
                .rfind(|line| !line.starts_with('#'))
                .unwrap_or("no answer");
            format!("{server} shows no key at port {port}: {last}")
        })
}

/// Returns the fingerprint of a key `type base64`, as `ssh-keygen -l` says it; `None` where it is no key.
pub fn fingerprint(key: &str) -> Option<String> {
    let mut words = key.split_whitespace();
    let kind = words.next()?;
    let bytes = BASE64.decode(words.next()?.as_bytes()).ok()?;
    // The key names its own kind (RFC 4253 §6.6).
    let named = bytes.get(4..4 + kind.len())?;
    (named == kind.as_bytes()).then(|| format!("SHA256:{}", BASE64_NOPAD.encode(&Sha256::digest(&bytes))))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn keygen() -> PathBuf {
        find(
            "ssh-keygen",
            &[
                "/usr/bin".into(),
                "/usr/local/bin".into(),
                "/opt/homebrew/bin".into(),
            ],
        )
        .expect("the OpenSSH client is here")
    }

    #[test]
    fn a_key_is_made_once_for_this_user_only_and_its_fingerprint_is_that_of_ssh_keygen() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let error = public_key(&keygen(), &file, false, &[]).unwrap_err();
        assert!(error.contains("no key file"), "{error}");
        let line = public_key(&keygen(), &file, true, &[]).unwrap();
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            public_key(&keygen(), &file, true, &[]).unwrap(),
            line,
            "it is the same from then on"
        );
        let said = run(
            &keygen(),
            &["-l", "-f"]
                .map(OsStr::new)
                .iter()
                .copied()
                .chain([file.as_os_str()])
                .collect::<Vec<_>>(),
            &[],
        )
        .unwrap();
        let fingerprint = fingerprint(&line).unwrap();
        assert!(
            said.stdout.contains(&fingerprint),
            "{fingerprint} is in {}",
            said.stdout
        );
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = public_key(&keygen(), &file, true, &[]).unwrap_err();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn what_is_no_key_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("letter");
        std::fs::write(&file, "dear reader").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let error = public_key(&keygen(), &file, false, &[]).unwrap_err();
        assert!(error.contains("is no key"), "{error}");
        assert_eq!(fingerprint("ssh-ed25519 AAAA"), None);
        assert_eq!(fingerprint(""), None);
    }

    #[test]
    fn programs_are_found_in_the_order_of_folders() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        for folder in [&a, &b] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("tool"), "#!/bin/sh\necho; echo tool 1.2\n").unwrap();
        }
        let folders = [a.clone(), b.clone()];
        assert_eq!(find("tool", &folders), None, "neither can be run");
        std::fs::set_permissions(b.join("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find("tool", &folders), Some(b.join("tool")));
        assert_eq!(version("tool", &b.join("tool"), &[]).as_deref(), Some("tool 1.2"));
        std::fs::set_permissions(a.join("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find("tool", &folders), Some(a.join("tool")));
    }
}
