//! What can be typed behind `casement`.

use std::ffi::OsString;
use std::path::PathBuf;

/// How the window is called from a terminal.
pub const USAGE: &str = "usage: casement [--workspace DIR]\n\n\
    Opens the window on the workspace DIR; without it, on $CASEMENT_WORKSPACE or this user's own workspace.";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// The window, on this workspace; `None` is this user's own.
    Window(Option<PathBuf>),
    /// The usage text.
    Help,
    /// The version.
    Version,
}

/// Reads the arguments (without the program's name) and the value of `CASEMENT_WORKSPACE`.
///
/// # Errors
/// A sentence about the argument that is not understood.
pub fn read_arguments(
    mut args: impl Iterator<Item = OsString>,
    environment: Option<OsString>,
) -> Result<Wish, String> {
    let mut workspace = environment.filter(|value| !value.is_empty()).map(PathBuf::from);
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy();
        if text == "--help" || text == "-h" {
            return Ok(Wish::Help);
        } else if text == "--version" || text == "-V" {
            return Ok(Wish::Version);
        } else if text == "--workspace" {
            workspace = Some(
                args.next()
                    .map(PathBuf::from)
                    .ok_or("--workspace wants a folder")?,
            );
        } else if let Some(folder) = text.strip_prefix("--workspace=") {
            workspace = Some(PathBuf::from(folder));
        } else {
            return Err(format!("unknown argument {text:?}"));
        }
    }
    Ok(Wish::Window(workspace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str], environment: Option<&str>) -> Result<Wish, String> {
        read_arguments(args.iter().map(OsString::from), environment.map(OsString::from))
    }

    #[test]
    fn an_argument_goes_before_the_environment_and_that_before_the_default() {
        let window = |folder: &str| Ok(Wish::Window(Some(PathBuf::from(folder))));
        assert_eq!(read(&[], None), Ok(Wish::Window(None)));
        assert_eq!(
            read(&[], Some("")),
            Ok(Wish::Window(None)),
            "an empty variable is none"
        );
        assert_eq!(read(&[], Some("/env")), window("/env"));
        assert_eq!(read(&["--workspace", "/arg"], Some("/env")), window("/arg"));
        assert_eq!(read(&["--workspace=/arg"], Some("/env")), window("/arg"));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(
            read(&["--workspace"], None),
            Err("--workspace wants a folder".to_owned())
        );
        let error = read(&["mails.csv"], None).expect_err("a file is no argument");
        assert!(
            error.contains("mails.csv"),
            "the error names the argument: {error}"
        );
    }
}
