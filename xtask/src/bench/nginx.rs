//! An nginx that answers every pixel's path with its own empty picture and writes a line of log for it.
//!
//! It is the yardstick: what a web server takes for the same bytes without asking whose they are. It has a
//! folder, a port and a process of its own; one that serves this machine is not touched.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::daemon::Daemon;
use crate::host;

/// A running nginx.
pub struct Nginx {
    /// The process.
    pub daemon: Daemon,
    /// Where it answers.
    pub addr: SocketAddr,
}

impl Nginx {
    /// Starts one whose files lie in `folder`, which is made.
    pub fn start(folder: &Path) -> Result<Nginx> {
        let program = host::program("nginx").context("there is no nginx")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let built = Command::new(&program)
            .arg("-V")
            .output()
            .context("cannot ask nginx how it was built")?;
        let addr = free_addr()?;
        let configuration = folder.join("nginx.conf");
        let text = configuration_text(folder, addr, &String::from_utf8_lossy(&built.stderr));
        fs::write(&configuration, text)
            .with_context(|| format!("cannot write {}", configuration.display()))?;
        let errors = folder.join("error.log");
        let mut daemon = Daemon::start(
            "nginx",
            Command::new(&program)
                .arg("-p")
                .arg(folder)
                .arg("-e")
                .arg(&errors)
                .arg("-c")
                .arg(&configuration)
                .stdin(Stdio::null()),
        )?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(addr).is_err() {
            if let Some(status) = daemon.ended() {
                let words = fs::read_to_string(&errors).unwrap_or_default();
                bail!("nginx ended at once ({status}): {}", words.trim());
            }
            if Instant::now() > deadline {
                bail!("nginx does not answer at {addr}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Nginx { daemon, addr })
    }
}

/// Somebody else could take the port before nginx does; it then says so and ends.
fn free_addr() -> Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|socket| socket.local_addr())
        .context("no port is free")
}

/// `built` is what `nginx -V` says: a module that was left out does not know its own directives.
fn configuration_text(folder: &Path, addr: SocketAddr, built: &str) -> String {
    let folder = folder.display();
    // Without these, nginx makes its folders where the package wants them, which takes rights that we may lack.
    let temporary: String = ["proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .filter(|module| !built.contains(&format!("--without-http_{module}_module")))
        .map(|module| format!("    {module}_temp_path \"{folder}/{module}\";\n"))
        .collect();
    format!(
        "daemon off;\n\
         worker_processes 2;\n\
         pid \"{folder}/nginx.pid\";\n\
         error_log \"{folder}/error.log\" warn;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n    \
             access_log \"{folder}/access.log\" combined buffer=64k;\n    \
             client_body_temp_path \"{folder}/body\";\n\
         {temporary}    \
             keepalive_timeout 65;\n    \
             server {{\n        \
                 listen {addr};\n        \
                 location ~ ^/o/ {{ empty_gif; }}\n    \
             }}\n\
         }}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_no_folder_but_its_own_and_no_module_that_is_not_there() {
        let addr = SocketAddr::from(([127, 0, 0, 1], 4711));
        let text = configuration_text(
            Path::new("/tmp/a bench"),
            addr,
            "configure arguments: --without-http_uwsgi_module",
        );
        for path in text.lines().filter_map(|line| line.split('"').nth(1)) {
            assert!(path.starts_with("/tmp/a bench/"), "{path}");
        }
        assert!(
            text.contains("scgi_temp_path") && !text.contains("uwsgi"),
            "{text}"
        );
        assert!(text.contains("listen 127.0.0.1:4711;"), "{text}");
        assert_eq!(
            text.matches('{').count(),
            text.matches('}').count(),
            "blocks are closed: {text}"
        );
    }
}
