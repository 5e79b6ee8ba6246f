//! The one table of commands: name, request, response, the use case behind it, and the tags it concerns.

use super::*;
use crate::app;
use crate::app::engine::Engine;
use std::sync::Arc;

/// A command as the table states it.
#[derive(Debug, Clone, Copy)]
pub struct CommandInfo {
    /// Its name on every way in.
    pub name: &'static str,
    /// Tags that a read provides; empty for a write.
    pub provides: &'static [Tag],
}

macro_rules! commands {
    ($($name:ident($request:ident) -> $response:ident = $handler:path $(, provides [$($tag:ident),+])?;)+) => {
        /// Every command, in the table's order.
        pub const COMMANDS: &[CommandInfo] = &[
            $(CommandInfo { name: stringify!($name), provides: &[$($(Tag::$tag),+)?] }),+
        ];

        /// Answers the command `name` with the JSON document `request`.
        ///
        /// The only way in for the window, the socket and the command line. A request that does not fit its
        /// type is [`Code::Invalid`], with the parser's words.
        pub fn dispatch(engine: &Arc<Engine>, name: &str, request: serde_json::Value) -> Result<serde_json::Value> {
            match name {
                $(stringify!($name) => {
                    let request: $request = serde_json::from_value(request)
                        .map_err(|error| Error::invalid(format!("the request for {name} is wrong: {error}")))?;
                    let response: $response = $handler(engine, request)?;
                    serde_json::to_value(response)
                        .map_err(|error| Error::new(Code::Internal, format!("the answer of {name} is no JSON: {error}")))
                })+
                _ => Err(Error::new(Code::NotFound, format!("there is no command {name:?}; see `casementctl call --list`"))),
            }
        }

        fn table(config: &ts_rs::Config) -> String {
            let mut out = String::from("export type Commands = {\n");
            $(out.push_str(&format!(
                "  {}: [{}, {}];\n", stringify!($name),
                <$request as ts_rs::TS>::name(config), <$response as ts_rs::TS>::name(config)));)+
            out.push_str("};\n");
            out
        }

        fn declarations(config: &ts_rs::Config) -> std::collections::BTreeMap<String, String> {
            let mut found = Declarations { config, out: std::collections::BTreeMap::new() };
            $(found.add::<$request>(); found.add::<$response>();)+
            found.add::<Event>();
            found.add::<Error>();
            // Results of jobs, which cross as plain JSON, and the file of `campaign create`.
            found.add::<ImportResult>();
            found.add::<IncomingResult>();
            found.add::<BackupSaved>();
            found.out
        }
    };
}

commands! {
    app_state(AppStateGet) -> AppState = app::settings::state, provides [Settings, Accounts, Contacts, Campaigns];
    settings_update(SettingsUpdate) -> Settings = app::settings::update;
    sample_data_add(SampleDataAdd) -> JobStarted = app::sample::add;
    sample_data_remove(SampleDataRemove) -> Done = app::sample::remove;
    home(HomeGet) -> Home = app::home::get, provides [Campaigns, Opens, Reach, Activity, Accounts, Contacts];
    job_list(JobList) -> JobListResponse = app::jobs::list, provides [Jobs];
    job_get(JobGet) -> Job = app::jobs::get, provides [Jobs];
    job_cancel(JobCancel) -> Done = app::jobs::cancel;
    verify(Verify) -> VerifyResponse = app::verify::verify;
    backup_save(BackupSave) -> JobStarted = app::backup::save;
    backup_list(BackupList) -> BackupListResponse = app::backup::list, provides [Settings];
    backup_look(BackupLook) -> BackupLookResponse = app::backup::look;
    backup_restore(BackupRestore) -> BackupRestoreResponse = app::backup::restore::start;

    address_show(AddressShow) -> Address = app::reach::address_show, provides [Reach];
    address_set(AddressSet) -> Address = app::reach::address_set;
    tunnel_show(TunnelShow) -> Tunnel = app::tunnel::show, provides [Reach];
    tunnel_save(TunnelSave) -> Tunnel = app::tunnel::save;
    tunnel_up(TunnelUp) -> Tunnel = app::tunnel::up;
    tunnel_down(TunnelDown) -> Tunnel = app::tunnel::down;
    tunnel_lines(TunnelLines) -> TunnelLinesResponse = app::tunnel::lines;
    tunnel_key(TunnelKey) -> TunnelKeyResponse = app::tunnel::key;
    tunnel_host_key(TunnelHostKey) -> TunnelHostKeyResponse = app::tunnel::host_key;
    tunnel_programs(TunnelPrograms) -> TunnelProgramsResponse = app::tunnel::programs;
    address_preview(AddressPreview) -> AddressPreviewed = app::routes::preview, provides [Reach, Campaigns];
    routes_get(RoutesGet) -> Routes = app::routes::get, provides [Reach, Campaigns, Opens];
    listener_status(ListenerStatusGet) -> ListenerStatus = app::reach::listener_status, provides [Reach];
    listener_start(ListenerStart) -> ListenerStatus = app::reach::listener_start;
    listener_stop(ListenerStop) -> ListenerStatus = app::reach::listener_stop;
    reach_get(ReachGet) -> Reach = app::reach_probe::get, provides [Reach, Opens];
    reach_probe(ReachProbe) -> Probe = app::reach_probe::probe;

    sending_start(SendingStart) -> SendingStatus = app::control::start;
    sending_stop(SendingStop) -> SendingStatus = app::control::stop;
    sending_status(SendingStatusGet) -> SendingStatus = app::control::status, provides [Campaigns, Contacts];

    account_list(AccountList) -> AccountListResponse = app::account::list, provides [Accounts, Campaigns];
    account_providers(AccountProviders) -> AccountProvidersResponse = app::account::providers;
    account_save(AccountSave) -> Account = app::account::save;
    account_remove(AccountRemove) -> Done = app::account::remove;
    account_test(AccountTest) -> AccountTestResponse = app::login::test;
    account_sign_in(AccountSignIn) -> AccountSignInStarted = app::sign_in::start;
    account_trust(AccountTrust) -> Account = app::trust::trust;
    domain_check(DomainCheck) -> DomainChecked = app::checks::domain;
    domain_check_last(DomainCheckLast) -> DomainCheckLastResponse = app::checks::domain_last, provides [Accounts];
    mail_check(MailCheck) -> MailChecked = app::checks::mail;

    contact_list(ContactList) -> ContactListResponse = app::contact::list, provides [Contacts, Lists];
    contact_get(ContactGet) -> ContactDetails = app::contact::get, provides [Contacts, Lists, Opens];
    contact_save(ContactSave) -> ContactSaved = app::contact::save;
    contact_consent_set(ContactConsentSet) -> Done = app::contact::consent_set;
    contact_suppress(ContactSuppress) -> Done = app::contact::suppress;
    contact_erase(ContactErase) -> ContactEraseResponse = app::contact::erase;
    contact_erase_opens(ContactEraseOpens) -> Done = app::contact::erase_opens;
    contact_export(ContactExport) -> ContactExportResponse = app::contact::export;
    list_list(ListList) -> ListListResponse = app::contact::lists, provides [Lists, Contacts];
    list_save(ListSave) -> ListSaved = app::contact::list_save;
    list_remove(ListRemove) -> Done = app::contact::list_remove;
    import_preview(ImportPreview) -> ImportPreviewResponse = app::import::preview;
    import_run(ImportRun) -> JobStarted = app::import::run;
    incoming_run(IncomingRun) -> JobStarted = app::incoming::run;

    campaign_list(CampaignList) -> CampaignListResponse = app::campaign::list, provides [Campaigns, Opens];
    campaign_get(CampaignGet) -> Campaign = app::campaign::get, provides [Campaigns, Opens];
    campaign_save(CampaignSave) -> CampaignSaved = app::campaign::save;
    campaign_create(CampaignFile) -> CampaignSaved = app::campaign::create;
    campaign_duplicate(CampaignDuplicate) -> CampaignSaved = app::campaign::duplicate;
    campaign_remove(CampaignRemove) -> Done = app::campaign::remove;
    campaign_preview(CampaignPreview) -> Preview = app::compose::preview;
    campaign_test_mail(CampaignTestMail) -> TestMailResponse = app::compose::test_mail;
    document_from_markdown(DocumentFromMarkdown) -> DocumentResponse = app::compose::from_markdown;
    campaign_troubles(CampaignTroubles) -> CampaignTroublesResponse = app::after::troubles, provides [Campaigns, Contacts];
    campaign_retry(CampaignRetry) -> Touched = app::after::retry;
    message_resolve(MessageResolve) -> Touched = app::after::resolve;
    campaign_follow_up(CampaignFollowUp) -> CampaignFollowUpResponse = app::follow_up::get, provides [Campaigns, Contacts, Lists];
    campaign_follow_up_prepare(CampaignFollowUpPrepare) -> JobStarted = app::follow_up::prepare;
    campaign_follow_up_launch(CampaignFollowUpLaunch) -> Done = app::follow_up::launch;
    campaign_follow_up_discard(CampaignFollowUpDiscard) -> Done = app::follow_up::discard;
    attachment_add(AttachmentAdd) -> Attachment = app::attachments::add;
    attachment_list(AttachmentList) -> AttachmentListResponse = app::attachments::list, provides [Campaigns];
    attachment_remove(AttachmentRemove) -> Done = app::attachments::remove;
    picture_get(PictureGet) -> Picture = app::attachments::picture, provides [Campaigns];
    campaign_prepare(CampaignPrepare) -> JobStarted = app::launch::prepare;
    campaign_unprepare(CampaignUnprepare) -> Done = app::launch::unprepare;
    campaign_preflight(CampaignPreflight) -> Preflight = app::launch::preflight, provides [Campaigns, Accounts, Contacts, Reach, Settings];
    campaign_launch(CampaignLaunch) -> Done = app::launch::launch;
    campaign_sending(CampaignSendingGet) -> CampaignSending = app::progress::get, provides [Campaigns, Accounts];
    campaign_pause(CampaignPause) -> Done = app::control::pause;
    campaign_resume(CampaignResume) -> Done = app::control::resume;
    campaign_cancel(CampaignCancel) -> Done = app::control::cancel;
    campaign_window_set(CampaignWindowSet) -> Done = app::launch::window_set;
    campaign_window_end(CampaignWindowEnd) -> Done = app::launch::window_end;

    campaign_judge(CampaignJudge) -> Judged = app::judging::judge_now;
    label_set(LabelSet) -> LabelSaved = app::judging::label_set;
    label_remove(LabelRemove) -> Judged = app::judging::label_remove;
    label_list(LabelList) -> LabelListResponse = app::judging::labels, provides [Opens];

    report_get(ReportGet) -> Report = app::report::get, provides [Opens, Campaigns];
    report_series(ReportSeries) -> ReportSeriesResponse = app::report::series, provides [Opens];
    report_providers(ReportProviders) -> ReportProvidersResponse = app::report::providers, provides [Opens, Campaigns];
    report_recipients(ReportRecipients) -> ReportRecipientsResponse = app::report::recipients, provides [Opens, Campaigns];
    message_timeline(MessageTimeline) -> MessageTimelineResponse = app::report::timeline, provides [Opens, Contacts, Campaigns];
    message_dialogue(MessageDialogue) -> MessageDialogueResponse = app::report::dialogue, provides [Campaigns];
    report_export(ReportExport) -> ReportExportResponse = app::report::export;
    activity_list(ActivityList) -> ActivityListResponse = app::activity::list, provides [Activity, Opens];

    outbox_list(OutboxList) -> OutboxListResponse = app::outbox::list, provides [Outbox];
    outbox_get(OutboxGet) -> OutboxMail = app::outbox::get, provides [Outbox];
    outbox_open_as(OutboxOpenAs) -> OutboxOpenAsResponse = app::outbox::open_as;
}

/// Answers frames of the local socket by way of [`dispatch`]; holds the engine no longer than it lives.
pub struct EngineHost(pub std::sync::Weak<Engine>);

impl crate::engine::socket::Host for EngineHost {
    fn call(&self, command: &str, request: serde_json::Value) -> Result<serde_json::Value> {
        let engine = self
            .0
            .upgrade()
            .ok_or_else(|| Error::new(Code::Locked, "The workspace is being closed."))?;
        dispatch(
            &engine,
            command,
            if request.is_null() {
                serde_json::json!({})
            } else {
                request
            },
        )
    }

    fn subscribe(&self) -> std::sync::mpsc::Receiver<Event> {
        // Without an engine the channel is closed from the start.
        self.0
            .upgrade()
            .map_or_else(|| std::sync::mpsc::channel().1, |engine| engine.subscribe())
    }
}

struct Declarations<'a> {
    config: &'a ts_rs::Config,
    out: std::collections::BTreeMap<String, String>,
}

impl Declarations<'_> {
    fn add<T: ts_rs::TS + 'static + ?Sized>(&mut self) {
        if T::output_path().is_some() {
            let name = T::ident(self.config);
            let declaration = format!("export {}\n", T::decl(self.config));
            if let Some(known) = self.out.get(&name) {
                // The window would compile against one of them, and be given the other.
                assert_eq!(known, &declaration, "two types are called {name}");
                return;
            }
            self.out.insert(name, declaration);
        }
        T::visit_dependencies(self);
    }
}

impl ts_rs::TypeVisitor for Declarations<'_> {
    fn visit<T: ts_rs::TS + 'static + ?Sized>(&mut self) {
        self.add::<T>();
    }
}

/// Returns the TypeScript of every type that crosses, the command table and its tags.
///
/// `ui/src/lib/bindings/api.ts` is this text; a test fails where the two differ.
pub fn typescript() -> String {
    let config = ts_rs::Config::new().with_large_int("number");
    let mut out =
        String::from("// Made by `cargo xtask bindings` from src-tauri/core/src/api. Do not edit.\n\n");
    for declaration in declarations(&config).values() {
        out.push_str(declaration);
    }
    out.push('\n');
    out.push_str(&table(&config));
    out.push_str("\nexport const provides: Record<keyof Commands, Tag[]> = {\n");
    for command in COMMANDS {
        let tags: Vec<String> = command
            .provides
            .iter()
            .map(|tag| serde_json::to_string(tag).expect("a field-less enum is always JSON"))
            .collect();
        out.push_str(&format!("  {}: [{}],\n", command.name, tags.join(", ")));
    }
    out.push_str("};\n");
    out
}
