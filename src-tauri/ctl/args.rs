//! What can be typed.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Sends email campaigns from your own computer and tells the truth about who opened them.
#[derive(Debug, Parser)]
#[command(name = "casementctl", version, max_term_width = 100)]
pub struct Args {
    /// The workspace's folder [default: the one that the app uses].
    #[arg(long, global = true, env = "CASEMENT_WORKSPACE", value_name = "DIR")]
    pub workspace: Option<PathBuf>,
    /// Print one JSON document on standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress on standard error.
    #[arg(long, global = true)]
    pub quiet: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play the whole loop on sample data: import, send into the practice outbox, open as readers do, report.
    Demo(Demo),
    /// Play an invented campaign through the real judge, and set its report beside the truth.
    Simulate(Simulate),
    /// Import contacts from a CSV file with headers.
    Import(Import),
    /// The base address that mails carry from now on.
    #[command(subcommand)]
    Address(Address),
    /// The public address: the way to it, how it is seen from outside, and every address that mails were sent with.
    #[command(subcommand)]
    Reach(crate::reach::Reach),
    /// People.
    #[command(subcommand)]
    Contacts(Contacts),
    /// Accounts that mails are sent from.
    #[command(subcommand)]
    Account(Account),
    /// Campaigns.
    #[command(subcommand)]
    Campaign(Campaign),
    /// Read bounces, complaints and wishes to unsubscribe from files, and do what they say.
    Incoming {
        /// Files with one mail (.eml) or many (mbox); `-` reads standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Say what would happen, change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Read mails that ask to unsubscribe, and nothing else: for a mailbox's filter.
    Unsubscribe {
        /// Files with one mail (.eml) or many (mbox); `-` reads standard input.
        #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
        eml: Vec<PathBuf>,
        /// Say what would happen, change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Save everything but passwords into one file.
    Backup(crate::backup::Save),
    /// Bring a backup back. Who gets no mail, who refused and what was sent since goes over into it.
    Restore(crate::backup::Restore),
    /// Run the dispatcher until nothing is due.
    Send {
        /// Wait only for this campaign.
        #[arg(long, value_name = "ID")]
        campaign: Option<i64>,
    },
    /// The engine without a window: dispatcher and listener.
    Serve(Listen),
    /// The listener alone.
    Listen(Listen),
    /// A campaign's report.
    Report {
        /// The campaign's id.
        campaign: i64,
        /// Write one line for each recipient into FILE.
        #[arg(long, value_name = "FILE", conflicts_with = "html")]
        csv: Option<PathBuf>,
        /// Write a self-contained page into FILE.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Check the database and the invariants of ledger and rollups.
    Verify,
    /// Say what user agents are taken for: a CSV file's column `ua`, judged as the listener would. Needs no workspace.
    Judge {
        /// A CSV file with headers, one of them `ua`.
        #[arg(long, value_name = "FILE")]
        ua_file: PathBuf,
    },
    /// Any command of the table.
    Call {
        /// Its name.
        #[arg(required_unless_present = "list")]
        command: Option<String>,
        /// Its request as JSON; `-` reads standard input.
        #[arg(default_value = "{}")]
        request: String,
        /// List the commands instead.
        #[arg(long)]
        list: bool,
    },
    /// Speak the engine's frames on standard input and output.
    Rpc,
}

/// Options of `demo`.
#[derive(Debug, ClapArgs)]
pub struct Demo {
    /// Keep the workspace in DIR, which must not exist or be empty.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// How many people to invent.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub people: u32,
    /// Another seed invents other people and other readers.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Options of `simulate`.
#[derive(Debug, ClapArgs)]
pub struct Simulate {
    /// Another seed plays another campaign.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Who gets it, as a JSON file [default: a newsletter's readers].
    #[arg(long, value_name = "FILE")]
    pub audience: Option<PathBuf>,
    /// How many people, in place of the audience's number.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub people: Option<u32>,
    /// So many campaigns, with seeds that follow one another: prints how often the report held the truth.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub runs: u32,
}

/// Options of `import`.
#[derive(Debug, ClapArgs)]
pub struct Import {
    /// A CSV file with headers.
    pub file: PathBuf,
    /// Where a column goes: email, first_name, last_name, a field's name, or nothing to leave it out.
    #[arg(long = "map", value_name = "COLUMN=FIELD")]
    pub map: Vec<String>,
    /// Put everyone on this list, made where it is missing.
    #[arg(long, value_name = "NAME")]
    pub list: Option<String>,
    /// Say what would happen, change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// What these people said about tracking.
    #[arg(long, value_enum)]
    pub consent: Option<Consent>,
    /// By which way they said it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub consent_source: String,
    /// The words they agreed to.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub consent_wording: String,
}

/// Tracking consent.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Consent {
    /// Said yes.
    Granted,
    /// Said no.
    Refused,
    /// Was not asked.
    Unknown,
}

impl Consent {
    /// Returns the word of the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// `address …`
#[derive(Debug, Subcommand)]
pub enum Address {
    /// Set it: https://… for readers, http:// to this computer with --local for trying out.
    Set {
        /// Scheme, host and port.
        url: String,
        /// An address on this computer, for trying out.
        #[arg(long)]
        local: bool,
    },
    /// Mails carry none: opens are not measured, unsubscribing goes by mail.
    None,
    /// Show it.
    Show,
}

/// `contacts …`
#[derive(Debug, Subcommand)]
pub enum Contacts {
    /// List them.
    List {
        /// Part of an address or name.
        #[arg(long, default_value = "")]
        search: String,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Skip so many.
        #[arg(long, default_value_t = 0)]
        offset: u32,
    },
    /// Show one with its mails, and every word on tracking with its source and wording.
    Show {
        /// An address or an id.
        who: String,
    },
    /// Print everything held about one person as JSON.
    Export {
        /// An address or an id.
        who: String,
    },
    /// Erase a person. Suppressions stay, as hashes.
    Erase {
        /// Addresses or ids.
        #[arg(required = true)]
        who: Vec<String>,
        /// Yes, for good.
        #[arg(long)]
        yes: bool,
    },
    /// Erase what was recorded when a person opened mails. The person stays.
    EraseOpens {
        /// An address or an id.
        who: String,
        /// Yes, for good.
        #[arg(long)]
        yes: bool,
    },
    /// Stop all mail to addresses that mail came back from.
    Bounced(Paste),
    /// Stop all mail to addresses whose owners asked for that.
    Unsubscribed(Paste),
    /// Stop all mail to an address.
    Suppress {
        /// The address.
        email: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
        /// Allow it again instead.
        #[arg(long)]
        lift: bool,
    },
    /// Record what a person said about tracking.
    Consent {
        /// An address or an id.
        who: String,
        /// What they said.
        #[arg(value_enum)]
        state: Consent,
        /// By which way they said it.
        #[arg(long, default_value = "")]
        source: String,
        /// The words they agreed to.
        #[arg(long, default_value = "")]
        wording: String,
    },
}

/// Options of `contacts bounced` and `contacts unsubscribed`.
#[derive(Debug, ClapArgs)]
pub struct Paste {
    /// Addresses, one a line, names and commas tolerated; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub paste_file: PathBuf,
    /// Say what would happen, change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `account …`
#[derive(Debug, Subcommand)]
pub enum Account {
    /// Add one.
    Add(Box<AccountAdd>),
    /// Add the practice outbox: mails become files in the workspace.
    AddOutbox {
        /// As you call it.
        #[arg(long, default_value = "Practice outbox")]
        name: String,
        /// The sender: `Name <address>`.
        #[arg(long)]
        from: String,
    },
    /// List them.
    List,
    /// List the mail providers whose servers and limits are known.
    Providers,
    /// Connect and log in, send nothing.
    Test {
        /// The account's name.
        name: String,
    },
    /// Sign in: prints the address to open in a browser, and waits for its answer, five minutes at most.
    Login {
        /// The account's name.
        name: String,
    },
    /// Trust the certificate of an account's server though nobody vouches for it. Shows it without --sha256.
    Trust {
        /// The account's name.
        name: String,
        /// The fingerprint that its owner told you: trust the certificate if it has this one.
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        /// Trust none any more.
        #[arg(long, conflicts_with = "sha256")]
        remove: bool,
    },
    /// Look up what mail servers ask about its sender's domain: SPF, DKIM, DMARC, MX, PTR. Exit 1 where something is bad.
    Check {
        /// The account's name.
        #[arg(required_unless_present = "domain")]
        name: Option<String>,
        /// This domain instead of an account's.
        #[arg(long, conflicts_with = "name")]
        domain: Option<String>,
        /// The name of the signing key, the `s=` of a DKIM signature.
        #[arg(long, value_name = "S")]
        selector: Option<String>,
    },
    /// Check the signature of a test mail that came back. Exit 1 where something is bad.
    CheckMail {
        /// The mail, saved as a file; `-` reads standard input.
        file: PathBuf,
    },
    /// Remove one with its secret.
    Remove {
        /// The account's name.
        name: String,
    },
}

/// Options of `account add`.
#[derive(Debug, ClapArgs)]
pub struct AccountAdd {
    /// As you call it.
    #[arg(long)]
    pub name: String,
    /// The mail server.
    #[arg(long)]
    pub host: String,
    /// Its port.
    #[arg(long)]
    pub port: u16,
    /// How the connection is secured; none only to this computer.
    #[arg(long, value_enum)]
    pub tls: Tls,
    /// The login's user name.
    #[arg(long, default_value = "")]
    pub user: String,
    /// Read the password from standard input: one line.
    #[arg(long, requires = "user")]
    pub password_stdin: bool,
    /// The sender: `Name <address>`.
    #[arg(long)]
    pub from: String,
    /// Where replies go.
    #[arg(long, default_value = "")]
    pub reply_to: String,
    /// Connections at once.
    #[arg(long, default_value_t = 2)]
    pub connections: u32,
    /// The provider, by its id in `account providers`: its limits hold where none are given.
    #[arg(long, default_value = "custom")]
    pub provider: String,
    /// At most so many mails in any second; 0 is no limit.
    #[arg(long, default_value_t = 0)]
    pub per_second: u32,
    /// At most so many mails in any minute; 0 is no limit.
    #[arg(long, default_value_t = 0)]
    pub per_minute: u32,
    /// At most so many mails in any hour; 0 is no limit.
    #[arg(long, default_value_t = 0)]
    pub per_hour: u32,
    /// At most so many mails in any 24 hours; 0 is no limit.
    #[arg(long, default_value_t = 0)]
    pub per_day: u32,
    /// At most so many mails a minute to one domain of recipients; 0 is no limit.
    #[arg(long, default_value_t = 0)]
    pub per_domain: u32,
    /// Sign in instead of a password: whom with.
    #[command(flatten)]
    pub sign_in: crate::sign_in::SignIn,
}

/// What becomes of a campaign whose time has passed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum WhenLate {
    /// It is sent as soon as something runs.
    Run,
    /// It waits for the user's word.
    Ask,
    /// It becomes a draft again.
    Skip,
}

impl WhenLate {
    /// Returns the word of the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Ask => "ask",
            Self::Skip => "skip",
        }
    }
}

/// How a connection is secured.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Tls {
    /// Not at all.
    None,
    /// Encrypted before the login.
    Starttls,
    /// Encrypted from the first byte.
    #[value(name = "tls")]
    Implicit,
}

impl Tls {
    /// Returns the word of the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starttls => "starttls",
            Self::Implicit => "tls",
        }
    }
}

/// `campaign …`
#[derive(Debug, Subcommand)]
pub enum Campaign {
    /// Make one from a JSON file; `-` reads standard input.
    Create {
        /// The file.
        file: PathBuf,
    },
    /// List them.
    List,
    /// Show one with its messages by state.
    Show {
        /// Its id.
        id: i64,
    },
    /// Print it as one contact would get it.
    Preview {
        /// Its id.
        id: i64,
        /// As whom: an address or an id.
        #[arg(long)]
        contact: Option<String>,
        /// The HTML part instead of the text part.
        #[arg(long)]
        html: bool,
    },
    /// Fill the ledger, audit every mail, and say what is wrong.
    Preflight {
        /// Its id.
        id: i64,
    },
    /// Launch it, after a preflight where there was none.
    Launch {
        /// Its id.
        id: i64,
        /// Confirm the warnings.
        #[arg(long)]
        yes: bool,
        /// Seconds before the first mail leaves.
        #[arg(long, default_value_t = 0)]
        delay: u32,
        /// When the first mail leaves, such as `2026-12-01T09:00`.
        #[arg(long, conflicts_with = "delay")]
        at: Option<String>,
        /// The zone of that time, such as `Europe/Berlin`; the workspace's where it is left out.
        #[arg(long, requires = "at")]
        zone: Option<String>,
        /// What becomes of it where that time passes while nothing runs.
        #[arg(long, value_enum, requires = "at")]
        when_late: Option<WhenLate>,
        /// Hours in which nothing leaves, such as `21:00-08:00`.
        #[arg(long)]
        quiet_hours: Option<String>,
        /// Send with an address that may be gone soon: its host, typed out.
        #[arg(long, value_name = "HOST")]
        confirm_host: Option<String>,
    },
    /// How it is being sent: pace, forecast, accounts, errors.
    Progress {
        /// Its id.
        id: i64,
    },
    /// Stop after the mails in hand.
    Pause {
        /// Its id.
        id: i64,
    },
    /// Go on.
    Resume {
        /// Its id.
        id: i64,
    },
    /// Stop for good.
    Cancel {
        /// Its id.
        id: i64,
    },
    /// Change the window, its grace, or end it.
    Window(crate::window::Change),
    /// Copy it into a new draft, with its files and nothing of its ledger.
    Duplicate {
        /// Its id.
        id: i64,
    },
    /// Send mails again that failed: those that were given up, or chosen ones.
    Retry(crate::after::Retry),
    /// Prepare a finished campaign for people who joined its audience since; with --yes, send it to them.
    AddNew(crate::after::AddNew),
    /// List the mails of which nobody knows whether they left, or settle them.
    Uncertain(crate::after::Uncertain),
    /// Print what was said to the mail server about one message, and by it.
    Dialogue {
        /// The message's id, as in `report_recipients`.
        message: i64,
    },
    /// Send one mail of it to any address, never tracked.
    Test {
        /// Its id.
        id: i64,
        /// To whom.
        to: String,
    },
}

/// Options of `listen` and `serve`.
#[derive(Debug, ClapArgs)]
pub struct Listen {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4805")]
    pub bind: String,
    /// A second entrance, for a proxy or tunnel.
    #[arg(long, value_name = "ADDR:PORT", requires = "client_header")]
    pub behind_proxy: Option<String>,
    /// The header in which that proxy puts the client's address.
    #[arg(long, value_name = "NAME", requires = "behind_proxy")]
    pub client_header: Option<String>,
}
