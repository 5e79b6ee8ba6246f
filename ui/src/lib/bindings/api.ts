// Made by `cargo xtask bindings` from src-tauri/core/src/api. Do not edit.

export type Account = { 
/**
 * Its id.
 */
id: AccountId, 
/**
 * As the user calls it; unique.
 */
name: string, 
/**
 * SMTP server, or the outbox in the workspace.
 */
kind: AccountKind, 
/**
 * Host name or address; empty for the outbox.
 */
host: string, 
/**
 * 1 to 65535; 0 for the outbox.
 */
port: number, 
/**
 * How the connection is secured.
 */
tls: Tls, 
/**
 * Empty where the server wants no login.
 */
user: string, 
/**
 * The sender's name.
 */
from_name: string, 
/**
 * The sender's address.
 */
from_address: string, 
/**
 * Where replies go; empty means the sender's address.
 */
reply_to: string, 
/**
 * Connections at once, 1 to 50.
 */
connections: number, 
/**
 * Which provider's figures its limits began with: an id of [`AccountProviders`], or `custom`.
 */
provider: string, 
/**
 * At most so many mails in any second; 0 means no limit.
 */
per_second: number, 
/**
 * At most so many mails in any minute; 0 means no limit.
 */
per_minute: number, 
/**
 * At most so many mails in any hour; 0 means no limit.
 */
per_hour: number, 
/**
 * At most so many mails in any 24 hours, whatever campaign; 0 means no limit.
 */
per_day: number, 
/**
 * At most so many mails a minute to one domain of recipients; 0 means no limit.
 */
per_domain: number, 
/**
 * How it stands with its server, and what it sent.
 */
standing: AccountStanding, 
/**
 * Where the secret is kept.
 */
secret: SecretPlace, 
/**
 * One sentence on where the secret is kept, to be shown.
 */
secret_note: string, 
/**
 * Part of the sample data.
 */
sample: boolean, 
/**
 * How it signs in; `null` is by password.
 */
sign_in: SignIn | null, 
/**
 * The certificate that the user trusts for this host and port though nobody vouches for it.
 */
trusted: Certificate | null, };
export type AccountId = number;
export type AccountKind = "smtp" | "outbox";
export type AccountList = Record<symbol, never>;
export type AccountListResponse = { 
/**
 * By name.
 */
accounts: Array<Account>, };
export type AccountProvider = { 
/**
 * Kept with the account.
 */
id: string, 
/**
 * Its name.
 */
name: string, 
/**
 * Its submission server.
 */
host: string, 
/**
 * The server's port.
 */
port: number, 
/**
 * How the connection is secured.
 */
tls: Tls, 
/**
 * Mails in any second; 0 is none that is known.
 */
per_second: number, 
/**
 * Mails in any minute; 0 is none that is known.
 */
per_minute: number, 
/**
 * Mails in any hour; 0 is none that is known.
 */
per_hour: number, 
/**
 * Mails in any 24 hours; 0 is none that is known.
 */
per_day: number, 
/**
 * Connections at once that are wise.
 */
connections: number, 
/**
 * What to know before, as a sentence; may be empty.
 */
note: string, 
/**
 * Where the figures are from, and when they were read.
 */
source: string, 
/**
 * Files a copy of each mail with the recipient's pixel in it.
 */
keeps_copy: boolean, 
/**
 * The domains of its addresses, in lower case; none where its customers have their own.
 */
domains: Array<string>, 
/**
 * Whom to sign in with there instead of a password; `None` where that is not known.
 */
sign_in: SignInService | null, };
export type AccountProviders = Record<symbol, never>;
export type AccountProvidersResponse = { 
/**
 * In the order in which they are offered.
 */
providers: Array<AccountProvider>, };
export type AccountRemove = { 
/**
 * Which.
 */
id: AccountId, };
export type AccountSave = { 
/**
 * `null` adds.
 */
id?: AccountId, 
/**
 * Unique, 1 to 80 characters.
 */
name: string, 
/**
 * See [`Account::kind`].
 */
kind: AccountKind, 
/**
 * See [`Account::host`].
 */
host: string, 
/**
 * See [`Account::port`].
 */
port: number, 
/**
 * See [`Account::tls`]; `none` only for this computer.
 */
tls: Tls, 
/**
 * See [`Account::user`].
 */
user: string, 
/**
 * The new secret; missing keeps the one there is. Never logged, never sent back.
 */
password?: Secret, 
/**
 * See [`Account::from_name`].
 */
from_name: string, 
/**
 * See [`Account::from_address`].
 */
from_address: string, 
/**
 * See [`Account::reply_to`].
 */
reply_to: string, 
/**
 * See [`Account::connections`]; 0 takes the default, 2.
 */
connections: number, 
/**
 * See [`Account::provider`]; missing is `custom`.
 */
provider?: string, 
/**
 * See [`Account::per_second`].
 */
per_second: number, 
/**
 * See [`Account::per_minute`].
 */
per_minute: number, 
/**
 * See [`Account::per_hour`].
 */
per_hour: number, 
/**
 * See [`Account::per_day`].
 */
per_day: number, 
/**
 * See [`Account::per_domain`].
 */
per_domain: number, 
/**
 * Signs in instead of a password; missing is by password.
 */
sign_in?: SignInSettings, 
/**
 * Trusts this certificate for this host and port; missing keeps what there is for them.
 */
certificate?: string, };
export type AccountSignIn = { 
/**
 * A saved account with a service to sign in with.
 */
id: AccountId, };
export type AccountSignInStarted = { 
/**
 * Waits for the browser; its result is an [`Account`](super::Account). Cancel it to end the login.
 */
job: JobId, 
/**
 * What the browser opens.
 */
url: string, };
export type AccountStanding = { 
/**
 * May it send now.
 */
state: AccountState, 
/**
 * Until then, where that is known.
 */
until: string | null, 
/**
 * What the server said and what follows; `null` where nothing is wrong.
 */
sentence: string | null, 
/**
 * Mails handed over in the last 24 hours, tests included.
 */
sent_in_day: number, 
/**
 * The limit of 24 hours as it holds now, the server's where that was met; 0 is none.
 */
per_day: number, };
export type AccountState = "ready" | "slow" | "full" | "waiting" | "blocked";
export type AccountTest = { 
/**
 * A saved account; its secret is used where `settings` brings none.
 */
id?: AccountId, 
/**
 * What was typed.
 */
settings?: AccountSave, };
export type AccountTestResponse = { 
/**
 * The account can send.
 */
ok: boolean, 
/**
 * What was tried, in order; the last one is where it stopped.
 */
steps: Array<TestStep>, 
/**
 * One sentence: that it works, or what is wrong and what to do.
 */
sentence: string, 
/**
 * The certificate that is wrong, where the user may trust it all the same.
 */
certificate: Certificate | null, };
export type AccountTrust = { 
/**
 * Which account; the exception is for its host and port.
 */
id: AccountId, 
/**
 * See [`Certificate::certificate`].
 */
certificate?: string, };
export type ActivityKind = "look" | "opted_out" | "unsubscribed" | "campaign" | "contacts" | "reach" | "problem";
export type ActivityList = { 
/**
 * Only older than this id; `null` begins at the newest.
 */
before?: number, 
/**
 * Only of this campaign.
 */
campaign?: CampaignId, 
/**
 * At most 200; 0 means 50.
 */
limit: number, };
export type ActivityListResponse = { 
/**
 * Newest first.
 */
rows: Array<ActivityRow>, };
export type ActivityRow = { 
/**
 * Rising with time.
 */
id: number, 
/**
 * When.
 */
at: string, 
/**
 * What.
 */
kind: ActivityKind, 
/**
 * A sentence to show: "Ana Li looked, through Gmail's image proxy".
 */
text: string, 
/**
 * For a look: its class.
 */
class: HitClass | null, 
/**
 * The campaign.
 */
campaign: CampaignId | null, 
/**
 * Its name; empty where there is none.
 */
campaign_name: string, 
/**
 * For the timeline.
 */
message: MessageId | null, 
/**
 * The person.
 */
contact: ContactId | null, };
export type Address = { 
/**
 * Which kind of address it is.
 */
kind: RouteKind, 
/**
 * The base URL; `null` for kind *none*.
 */
url: string | null, 
/**
 * One sentence: what mails carry with it.
 */
meaning: string, };
export type AddressPreview = { 
/**
 * Scheme, host and port; `null` is *none*.
 */
url: string | null, 
/**
 * Must be said for an address on this computer.
 */
local: boolean, };
export type AddressPreviewed = { 
/**
 * What mails would carry.
 */
address: Address, 
/**
 * It is another one than now.
 */
changed: boolean, 
/**
 * Mails still depend on the one in use: to be said before it is changed.
 */
ask: boolean, 
/**
 * Sent mails of campaigns whose window is not over, which go on naming the one in use.
 */
live_messages: number, 
/**
 * What goes on pointing at addresses that mails carried until now, a sentence each.
 */
keeps: Array<string>, 
/**
 * How long the new address lasts; `null` for kind *none*.
 */
permanence: Permanence | null, 
/**
 * Why it may not last, in a sentence.
 */
lasts: string | null, };
export type AddressSet = { 
/**
 * Scheme, host and port; a path and a trailing slash are refused.
 */
url: string | null, 
/**
 * Must be said for an address on this computer.
 */
local: boolean, };
export type AddressShow = Record<symbol, never>;
export type AppState = { 
/**
 * This build's version.
 */
version: string, 
/**
 * The workspace's folder.
 */
workspace: string, 
/**
 * Nothing was set up yet: no account, no contact, no campaign, policy not chosen.
 */
first_start: boolean, 
/**
 * Sample data is in the workspace.
 */
has_sample_data: boolean, 
/**
 * The workspace's settings.
 */
settings: Settings, 
/**
 * The number of accounts.
 */
accounts: number, };
export type AppStateGet = Record<symbol, never>;
export type Attachment = { 
/**
 * Its id.
 */
id: AttachmentId, 
/**
 * Where it is in the mail.
 */
placement: Placement, 
/**
 * Its name in the mail.
 */
name: string, 
/**
 * Its media type.
 */
media_type: string, 
/**
 * In bytes.
 */
size: number, 
/**
 * SHA-256 in lower-case hexadecimal: a block shows a picture as `picture:` and this.
 */
digest: string, };
export type AttachmentAdd = { 
/**
 * To which.
 */
campaign: CampaignId, 
/**
 * The file's whole path.
 */
path: string, 
/**
 * At the mail's end, or as a picture that blocks may show.
 */
placement: Placement, };
export type AttachmentId = number;
export type AttachmentList = { 
/**
 * Whose.
 */
campaign: CampaignId, };
export type AttachmentListResponse = { 
/**
 * Attached ones in the order of their adding, then the pictures that the mail shows.
 */
attachments: Array<Attachment>, 
/**
 * How many bytes they have in each mail, a third more than on disk.
 */
encoded: number, 
/**
 * How many they may have.
 */
budget: number, 
/**
 * From how many on they are worth a thought.
 */
heavy: number, };
export type AttachmentRemove = { 
/**
 * Which.
 */
id: AttachmentId, };
export type Audience = { 
/**
 * Lists.
 */
include: Array<ListId>, 
/**
 * Lists.
 */
exclude: Array<ListId>, };
export type AudienceNames = { 
/**
 * Lists.
 */
include: Array<string>, 
/**
 * Lists.
 */
exclude: Array<string>, };
export type BackupContents = { 
/**
 * Contacts.
 */
contacts: number, 
/**
 * Campaigns.
 */
campaigns: number, 
/**
 * Accounts, without their passwords.
 */
accounts: number, };
export type BackupCopy = { 
/**
 * The file.
 */
path: string, 
/**
 * When it was made.
 */
made_at: string, 
/**
 * Its size, in bytes.
 */
size: number, };
export type BackupHere = { 
/**
 * The backup is of this workspace, so that all it knows of mails goes over.
 */
is_same: boolean, 
/**
 * Nothing is here that could be lost.
 */
is_empty: boolean, 
/**
 * Contacts added since, or all where it is another workspace.
 */
contacts: number, 
/**
 * Campaigns written or changed since and not sent, or all.
 */
drafts: number, 
/**
 * Campaigns launched since, or all.
 */
launched: number, 
/**
 * Addresses that get no mail since, or all.
 */
suppressed: number, 
/**
 * People who refused to be tracked since, or all.
 */
refused: number, };
export type BackupList = Record<symbol, never>;
export type BackupListResponse = { 
/**
 * Newest first; none is older than 30 days.
 */
copies: Array<BackupCopy>, 
/**
 * When a backup was saved last; `None` where none ever was.
 */
saved_at: string | null, };
export type BackupLook = { 
/**
 * The file: a backup, or one of the copies.
 */
path: string, };
export type BackupLookResponse = { 
/**
 * When it was made.
 */
made_at: string, 
/**
 * What it holds.
 */
contents: BackupContents, 
/**
 * It was made to go on at another computer.
 */
is_move: boolean, 
/**
 * What is here since; `None` where the workspace here cannot be read.
 */
here: BackupHere | null, };
export type BackupRestore = { 
/**
 * The file: a backup, or one of the copies.
 */
path: string, };
export type BackupRestoreResponse = { 
/**
 * Its job; `None` where the workspace could not be opened and the backup waits to take its place already.
 */
job: JobId | null, };
export type BackupSave = { 
/**
 * The file; one that is there already is replaced once the new one is whole.
 */
path: string, 
/**
 * The user goes on with it on another computer: sending stops here, and every campaign is paused.
 */
is_move: boolean, };
export type BackupSaved = { 
/**
 * The file.
 */
path: string, 
/**
 * Its size, in bytes.
 */
size: number, 
/**
 * What is in it.
 */
contents: BackupContents, };
export type Block = { "type": "heading", 
/**
 * 1 to 3.
 */
level: number, 
/**
 * Its text.
 */
spans: Array<Span>, } | { "type": "text", 
/**
 * At least one.
 */
paragraphs: Array<Array<Span>>, } | { "type": "list", 
/**
 * Numbered, or with bullets.
 */
ordered: boolean, 
/**
 * One entry for each item.
 */
items: Array<Array<Span>>, } | { "type": "image", 
/**
 * `https:` or `http:`; or `picture:` and the 64 hexadecimal digits of the file's SHA-256.
 */
src: string, 
/**
 * What it shows, for those who do not see it.
 */
alt: string, 
/**
 * Width in pixels, 1 to 600; missing takes the full width.
 */
width?: number, 
/**
 * Where a click leads; empty leads nowhere.
 */
link: string, } | { "type": "button", 
/**
 * What it says.
 */
label: string, 
/**
 * Where it leads: `https:`, `http:`, `mailto:` or `tel:`.
 */
link: string, } | { "type": "divider", } | { "type": "consent", 
/**
 * What the person agrees to, as it is kept with their answer: the same for everyone, so no merge fields.
 */
wording: string, 
/**
 * What the link says.
 */
label: string, 
/**
 * Send this mail only to people who can be asked.
 */
only: boolean, } | { "type": "footer", 
/**
 * Paragraphs above the address; may be empty.
 */
paragraphs: Array<Array<Span>>, };
export type Campaign = { 
/**
 * What the inbox shows behind the subject.
 */
preheader: string, 
/**
 * From which account; `null` until chosen.
 */
account: AccountId | null, 
/**
 * Accounts of the same sender that share the work.
 */
also: Array<AccountId>, 
/**
 * To whom.
 */
audience: Audience, 
/**
 * The window as the user states it.
 */
window_spec: WindowSpec, 
/**
 * How it may look at its readers.
 */
tracking: CampaignTracking, 
/**
 * Printed at the foot; empty takes the workspace's.
 */
postal_address: string, 
/**
 * The mail.
 */
document: Document, 
/**
 * How often it looks at one reader, as its author set it.
 */
cap: CampaignCap, 
/**
 * Days after the window in which loads are still counted as late, as its author set it; `null` takes the
 * workspace's.
 */
grace_days: number | null, 
/**
 * Until when loads are counted as late; then the addresses of the pixels are destroyed. `null` before launch.
 */
late_counted_until: string | null, 
/**
 * When the addresses of the pixels were destroyed.
 */
closed_at: string | null, 
/**
 * The receipt of that.
 */
closing: Closing | null, 
/**
 * Its id.
 */
id: CampaignId, 
/**
 * Its name.
 */
name: string, 
/**
 * Its subject.
 */
subject: string, 
/**
 * Where it is in its life.
 */
state: CampaignState, 
/**
 * When the first mail leaves, or left; in the future while it is starting.
 */
first_mail_at: string | null, 
/**
 * When it was launched.
 */
launched_at: string | null, 
/**
 * When the last mail was done.
 */
finished_at: string | null, 
/**
 * Messages by state (`accepted`, `queued`, …).
 */
counts: { [key in string]: number }, 
/**
 * The parts of its open rate; `null` before launch.
 */
rate: RateParts | null, 
/**
 * Its window; `null` before launch.
 */
window: Window | null, 
/**
 * When sending will end at the present pace; `null` where that cannot be told.
 */
expected_end: string | null, 
/**
 * Its first mail waits for a time that was chosen.
 */
scheduled: boolean, 
/**
 * Why it stands still, as a sentence.
 */
problem: string | null, 
/**
 * Sent into the embedded outbox: practice.
 */
practice: boolean, 
/**
 * Part of the sample data.
 */
sample: boolean, 
/**
 * The last change.
 */
updated_at: string, };
export type CampaignCancel = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignCap = { 
/**
 * Stored loads of one mail, 1 to 1,000. Further ones are only counted.
 */
hits?: number, 
/**
 * Of these, by machines: 0 to `hits`. The first of each class and client is always stored.
 */
machine_hits?: number, 
/**
 * Tracked mails to one person in 30 days, 1 to 1,000. Beyond it mails go out without a pixel.
 */
tracked_mails?: number, };
export type CampaignDuplicate = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignFile = { 
/**
 * As in [`CampaignSave`].
 */
name: string, 
/**
 * As in [`CampaignSave`].
 */
subject: string, 
/**
 * As in [`CampaignSave`].
 */
preheader: string, 
/**
 * The account's name.
 */
account?: string, 
/**
 * Lists by name.
 */
audience: AudienceNames, 
/**
 * As in [`CampaignSave`].
 */
window?: WindowSpec, 
/**
 * As in [`CampaignSave`].
 */
tracking?: CampaignTracking, 
/**
 * As in [`CampaignSave`].
 */
postal_address: string, 
/**
 * The mail as Markdown; exclusive with `document`.
 */
markdown?: string, 
/**
 * The mail as a document; exclusive with `markdown`.
 */
document?: Document, 
/**
 * As in [`CampaignSave`].
 */
cap?: CampaignCap, 
/**
 * Days, as in [`CampaignSave`]; missing takes the workspace's.
 */
grace_days?: number, 
/**
 * Files that go with every mail, as paths; `casementctl` reads them from the campaign file's folder.
 */
attachments: Array<string>, };
export type CampaignFollowUp = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignFollowUpDiscard = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignFollowUpLaunch = { 
/**
 * Which.
 */
id: CampaignId, 
/**
 * Says that the warnings were seen; errors cannot be confirmed away.
 */
confirmed: boolean, 
/**
 * The host of an address that may not last, as the user typed it; see [`Preflight`].
 */
confirm_host?: string, };
export type CampaignFollowUpPrepare = { 
/**
 * Which; it must be finished.
 */
id: CampaignId, };
export type CampaignFollowUpResponse = { 
/**
 * People of the audience that are not in the ledger.
 */
new_people: number, 
/**
 * Mails to them are being prepared or thrown away; until that is over nothing else can be done.
 */
busy: boolean, 
/**
 * The job that prepares them; `null` where none is at work.
 */
job: JobId | null, 
/**
 * What their preparation found; `null` where none is prepared.
 */
prepared: Preflight | null, 
/**
 * Why it cannot be sent to them, as a sentence; `null` where it can.
 */
blocked: string | null, };
export type CampaignGet = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignId = number;
export type CampaignJudge = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignLaunch = { 
/**
 * Which.
 */
id: CampaignId, 
/**
 * Seconds before the first mail leaves, in which cancelling leaves no trace; 0 to 600.
 */
delay_secs: number, 
/**
 * When the first mail is to leave; missing is after `delay_secs`. At most 366 days ahead.
 */
at?: LocalTime, 
/**
 * What becomes of it where that time passes while Casement is off; missing asks.
 */
when_late?: WhenLate, 
/**
 * Hours in which nothing leaves, in the campaign's zone.
 */
quiet?: Quiet, 
/**
 * Says that the warnings were seen; errors cannot be confirmed away.
 */
confirmed: boolean, 
/**
 * The host of an address that may not last, as the user typed it; see [`Preflight`].
 */
confirm_host?: string, };
export type CampaignList = Record<symbol, never>;
export type CampaignListResponse = { 
/**
 * Newest first.
 */
campaigns: Array<CampaignRow>, };
export type CampaignPause = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignPreflight = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignPrepare = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignPreview = { 
/**
 * A saved campaign.
 */
id?: CampaignId, 
/**
 * An unsaved one; wins over `id`.
 */
draft?: CampaignSave, 
/**
 * As whom; missing takes the first of the audience, or an invented reader without data.
 */
contact?: ContactId, };
export type CampaignRemove = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignResume = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignRetry = { 
/**
 * Which.
 */
id: CampaignId, 
/**
 * These; missing takes all that may work next time.
 */
messages?: Array<MessageId>, };
export type CampaignRow = { 
/**
 * Its id.
 */
id: CampaignId, 
/**
 * Its name.
 */
name: string, 
/**
 * Its subject.
 */
subject: string, 
/**
 * Where it is in its life.
 */
state: CampaignState, 
/**
 * When the first mail leaves, or left; in the future while it is starting.
 */
first_mail_at: string | null, 
/**
 * When it was launched.
 */
launched_at: string | null, 
/**
 * When the last mail was done.
 */
finished_at: string | null, 
/**
 * Messages by state (`accepted`, `queued`, …).
 */
counts: { [key in string]: number }, 
/**
 * The parts of its open rate; `null` before launch.
 */
rate: RateParts | null, 
/**
 * Its window; `null` before launch.
 */
window: Window | null, 
/**
 * When sending will end at the present pace; `null` where that cannot be told.
 */
expected_end: string | null, 
/**
 * Its first mail waits for a time that was chosen.
 */
scheduled: boolean, 
/**
 * Why it stands still, as a sentence.
 */
problem: string | null, 
/**
 * Sent into the embedded outbox: practice.
 */
practice: boolean, 
/**
 * Part of the sample data.
 */
sample: boolean, 
/**
 * The last change.
 */
updated_at: string, };
export type CampaignSave = { 
/**
 * `null` adds.
 */
id?: CampaignId, 
/**
 * 1 to 200 characters, no control characters.
 */
name: string, 
/**
 * At most 300 characters, no control characters; may be empty in a draft.
 */
subject: string, 
/**
 * As the subject.
 */
preheader: string, 
/**
 * May be missing in a draft.
 */
account?: AccountId, 
/**
 * Accounts of the same sender that share the work; missing keeps those there are.
 */
also?: Array<AccountId>, 
/**
 * To whom.
 */
audience: Audience, 
/**
 * 30 days where it is missing.
 */
window?: WindowSpec, 
/**
 * Individual where it is missing.
 */
tracking?: CampaignTracking, 
/**
 * Empty takes the workspace's.
 */
postal_address: string, 
/**
 * The mail; missing makes an empty document.
 */
document?: Document, 
/**
 * How often it looks at one reader; missing stays as it is.
 */
cap?: CampaignCap, 
/**
 * Days after the window in which loads are still counted as late, 0 to 90. `null` takes the workspace's,
 * missing stays as it is.
 */
grace_days?: number | null, };
export type CampaignSaved = { 
/**
 * Its id.
 */
id: CampaignId, };
export type CampaignSending = { 
/**
 * Messages that have not left.
 */
waiting: number, 
/**
 * Mails by its accounts in the last whole minute, of all campaigns.
 */
per_minute: number, 
/**
 * When the rest will have left; `null` where nothing tells.
 */
forecast: SendingForecast | null, 
/**
 * Its accounts, its own first.
 */
accounts: Array<SendingAccount>, 
/**
 * What failed or waits, by whose fault it is; most first.
 */
errors: Array<SendingError>, 
/**
 * Mail services that refuse the campaign.
 */
refusals: Array<SendingRefusal>, 
/**
 * Quiet hours hold until then.
 */
quiet_until: string | null, 
/**
 * The time zone of the days in the forecast.
 */
zone: string, };
export type CampaignSendingGet = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignState = "draft" | "preparing" | "prepared" | "running" | "paused" | "finished" | "cancelled";
export type CampaignTestMail = { 
/**
 * A saved campaign.
 */
id: CampaignId, 
/**
 * To whom.
 */
to: string, 
/**
 * Rendered as whom.
 */
contact?: ContactId, };
export type CampaignTracking = "individual" | "aggregate" | "off";
export type CampaignTroubles = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignTroublesResponse = { 
/**
 * Mails that failed: the first 500, those that may work next time at the head.
 */
failed: Array<Trouble>, 
/**
 * How many failed, and how many of these may work next time.
 */
failed_total: number, 
/**
 * See `failed_total`.
 */
temporary_total: number, 
/**
 * Mails of which nobody knows whether they left, without those that the user leaves as they are: the first 500.
 */
uncertain: Array<Trouble>, 
/**
 * How many are uncertain, and how many are left as they are.
 */
uncertain_total: number, 
/**
 * See `uncertain_total`.
 */
left_total: number, 
/**
 * Why none of them can be sent again, as a sentence; `null` where they can.
 */
blocked: string | null, };
export type CampaignUnprepare = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignWindowEnd = { 
/**
 * Which.
 */
id: CampaignId, };
export type CampaignWindowSet = { 
/**
 * Which.
 */
id: CampaignId, 
/**
 * The new window; missing stays as it is.
 */
window?: WindowSpec, 
/**
 * Days after the window in which loads are still counted as late, 0 to 90; missing stays as it is.
 */
grace_days?: number, };
export type Certificate = { 
/**
 * SHA-256 of the certificate in groups of four hexadecimal digits.
 */
fingerprint: string, 
/**
 * Whom it is for, as it says itself.
 */
subject: string, 
/**
 * Who signed it, as it says itself.
 */
issuer: string, 
/**
 * Its beginning.
 */
valid_from: string, 
/**
 * Its end.
 */
valid_until: string, 
/**
 * The certificate itself, DER in base64: what is sent back to trust it.
 */
certificate: string, };
export type CheckFinding = { 
/**
 * What it is about.
 */
topic: CheckTopic, 
/**
 * How good it is.
 */
severity: CheckSeverity, 
/**
 * What is so, and what to do where something is to be done.
 */
sentence: string, 
/**
 * The record or header as it was read, with its name in front; empty where there is none.
 */
record: string, };
export type CheckSeverity = "good" | "unknown" | "warn" | "bad";
export type CheckTopic = "spf" | "dkim" | "dmarc" | "mx" | "ptr" | "signature" | "one_click" | "alignment" | "received";
export type Closing = { 
/**
 * When.
 */
at: string, 
/**
 * Addresses of pixels that were destroyed.
 */
tokens: number, 
/**
 * Stored loads of which only the verdict is left.
 */
hits: number, };
export type Code = "invalid" | "not_found" | "conflict" | "cancelled" | "unreachable" | "storage" | "damaged" | "locked" | "newer" | "internal";
export type ConsentEvent = { 
/**
 * What was said.
 */
state: ConsentState, 
/**
 * When.
 */
at: string, 
/**
 * By which way: "import members.csv", "preference page", "consent page", "browser signal", "by hand".
 */
source: string, 
/**
 * The words that the person agreed to; may be empty for a refusal.
 */
wording: string, };
export type ConsentState = "granted" | "refused" | "unknown";
export type ContactConsentSet = { 
/**
 * Who.
 */
id: ContactId, 
/**
 * What they said.
 */
state: ConsentState, 
/**
 * By which way; required for a grant.
 */
source: string, 
/**
 * The words agreed to; required for a grant.
 */
wording: string, };
export type ContactDetails = { 
/**
 * As in the list.
 */
contact: ContactRow, 
/**
 * Extra columns of the import and fields added by hand.
 */
fields: { [key in string]: string }, 
/**
 * Its lists.
 */
list_ids: Array<ListId>, 
/**
 * Every word on tracking, newest first.
 */
consent_history: Array<ConsentEvent>, 
/**
 * When a mail that asks for consent to tracking was taken by the server last.
 */
asked_at: string | null, 
/**
 * Only a practice mail has asked them, which reached nobody.
 */
asked_in_practice: boolean, 
/**
 * The mails of launched campaigns, newest first, at most 200.
 */
messages: Array<ContactMessage>, };
export type ContactErase = { 
/**
 * Whom.
 */
ids: Array<ContactId>, };
export type ContactEraseOpens = { 
/**
 * Whose.
 */
id: ContactId, };
export type ContactEraseResponse = { 
/**
 * Contacts erased.
 */
erased: number, 
/**
 * Copies in the workspace that were made before may hold them until then.
 */
backups_until: string | null, 
/**
 * A backup was saved outside the workspace, which may hold them for as long as it is kept. Bringing it back erases
 * them again.
 */
saved_backup: boolean, };
export type ContactExport = { 
/**
 * Whom.
 */
id: ContactId, };
export type ContactExportResponse = { 
/**
 * The document.
 */
document: unknown, };
export type ContactGet = { 
/**
 * Which.
 */
id: ContactId, };
export type ContactId = number;
export type ContactList = { 
/**
 * Part of an address or name; empty for all.
 */
search: string, 
/**
 * Only members of this list.
 */
list?: ListId, 
/**
 * Only with this consent.
 */
consent?: ConsentState, 
/**
 * By what to sort.
 */
sort: ContactSort, 
/**
 * Last first.
 */
descending: boolean, 
/**
 * Rows to skip.
 */
offset: number, 
/**
 * Rows wanted, at most 500; 0 means 100.
 */
limit: number, };
export type ContactListResponse = { 
/**
 * How many match in all.
 */
total: number, 
/**
 * The page.
 */
contacts: Array<ContactRow>, };
export type ContactMessage = { 
/**
 * For its timeline.
 */
message: MessageId, 
/**
 * The campaign.
 */
campaign: CampaignId, 
/**
 * Its name.
 */
campaign_name: string, 
/**
 * Where the mail is.
 */
state: MessageState, 
/**
 * What was seen; `null` where it was not measured.
 */
signal: Signal | null, 
/**
 * When the server took it.
 */
accepted_at: string | null, };
export type ContactRow = { 
/**
 * Its id.
 */
id: ContactId, 
/**
 * The address.
 */
email: string, 
/**
 * First name; may be empty.
 */
first_name: string, 
/**
 * Last name; may be empty.
 */
last_name: string, 
/**
 * Tracking consent.
 */
consent: ConsentState, 
/**
 * Gets no mail, and why.
 */
suppressed: string | null, 
/**
 * The names of its lists.
 */
lists: Array<string>, 
/**
 * When it came in.
 */
created_at: string, 
/**
 * Part of the sample data.
 */
sample: boolean, };
export type ContactSave = { 
/**
 * `null` adds.
 */
id?: ContactId, 
/**
 * Unique in the workspace.
 */
email: string, 
/**
 * No control characters, at most 200 characters.
 */
first_name: string, 
/**
 * As the first name.
 */
last_name: string, 
/**
 * Replaces all fields.
 */
fields: { [key in string]: string }, 
/**
 * Replaces the lists.
 */
lists: Array<ListId>, };
export type ContactSaved = { 
/**
 * Its id.
 */
id: ContactId, };
export type ContactSort = "email" | "name" | "added";
export type ContactSuppress = { 
/**
 * The address; needs no contact.
 */
email: string, 
/**
 * `false` lifts it.
 */
suppress: boolean, 
/**
 * Shown with the contact.
 */
reason: string, };
export type Document = { 
/**
 * Always [`VERSION`].
 */
version: number, 
/**
 * From top to bottom; at most 500.
 */
blocks: Array<Block>, };
export type DocumentFromMarkdown = { 
/**
 * CommonMark.
 */
markdown: string, };
export type DocumentResponse = { 
/**
 * The document.
 */
document: Document, };
export type DomainCheck = { 
/**
 * Checks the domain of this account's sender, and its server.
 */
account?: AccountId, 
/**
 * Checks this domain instead, such as `example.org`.
 */
domain?: string, 
/**
 * The name of the signing key, where the user knows it: the `s=` of a DKIM signature.
 */
selector?: string, };
export type DomainCheckLast = { 
/**
 * Whose.
 */
account: AccountId, };
export type DomainCheckLastResponse = { 
/**
 * `null` where it was never checked.
 */
checked: DomainChecked | null, };
export type DomainChecked = { 
/**
 * The domain, in its ASCII form.
 */
domain: string, 
/**
 * When.
 */
at: string, 
/**
 * The worst of the findings.
 */
severity: CheckSeverity, 
/**
 * In the order of [`CheckTopic`]; a topic may have several.
 */
findings: Array<CheckFinding>, };
export type Done = Record<symbol, never>;
export type Entrance = { 
/**
 * `http://ADDR:PORT`.
 */
url: string, 
/**
 * Requests come through a proxy that names the client in a header.
 */
behind_proxy: boolean, 
/**
 * It is the tunnel's own, see [`super::TunnelSave::port`].
 */
is_tunnel: boolean, };
export type Error = { 
/**
 * What can be done about it.
 */
code: Code, 
/**
 * A sentence: what failed, with what, what to do.
 */
message: string, 
/**
 * The request's field that is wrong.
 */
field?: string, };
export type ErrorKind = "recipient" | "account" | "quota" | "auth" | "network" | "message";
export type Event = { "changed": { 
/**
 * Sorted, without repeats.
 */
tags: Array<Tag>, } } | { "job": Job } | { "reopen": Record<symbol, never> };
export type ExportFormat = "csv" | "html";
export type Finding = { 
/**
 * Blocks launch, or only asks for a look.
 */
level: FindingLevel, 
/**
 * A stable name for tests and for links: `no_subject`, `unresolved_field`.
 */
id: string, 
/**
 * A sentence: what is wrong, and what to do.
 */
message: string, 
/**
 * The block in question, from 0.
 */
block: number | null, 
/**
 * How many recipients it concerns; 0 where it concerns the mail itself.
 */
recipients: number, 
/**
 * Up to five of them; none in a preview, which is of one reader.
 */
people: Array<ContactId>, 
/**
 * Their addresses of now. Never kept: who was erased is not named.
 */
examples: Array<string>, };
export type FindingLevel = "error" | "warning" | "note";
export type HitClass = "human_direct" | "human_proxy" | "machine_prefetch" | "scanner" | "bot" | "library" | "unknown";
export type HitId = number;
export type Home = { 
/**
 * Campaigns that are starting, running or paused.
 */
running: Array<CampaignRow>, 
/**
 * The campaigns launched last, with their ranges; at most 5.
 */
recent: Array<CampaignRow>, 
/**
 * Drafts, newest first; at most 5.
 */
drafts: Array<CampaignRow>, 
/**
 * The last things that happened; at most 12.
 */
activity: Array<ActivityRow>, 
/**
 * How many people can be mailed.
 */
contacts: number, 
/**
 * Steps that a newcomer has not done yet.
 */
next_steps: Array<NextStep>, };
export type HomeGet = Record<symbol, never>;
export type ImportColumn = { 
/**
 * Its header.
 */
name: string, 
/**
 * The field that it goes to: `email`, `first_name`, `last_name`, a field's name, or `""` to leave it out.
 */
field: string, };
export type ImportPreview = { 
/**
 * A file on this computer.
 */
path: string, };
export type ImportPreviewResponse = { 
/**
 * The file's columns in order.
 */
columns: Array<ImportColumn>, 
/**
 * The first rows, at most 8, each as long as `columns`.
 */
rows: Array<Array<string>>, 
/**
 * Rows below the header, counted to the end of the file.
 */
total: number, 
/**
 * What was recognised: "comma, UTF-8".
 */
format: string, };
export type ImportProblem = { 
/**
 * The line in the file where the row begins, from 1.
 */
line: number, 
/**
 * A duplicate was left out; a rejected row could not be read.
 */
kind: ImportProblemKind, 
/**
 * The column, where one is to blame.
 */
column: string, 
/**
 * A sentence.
 */
message: string, 
/**
 * The start of the offending value, without control characters, at most 80 characters.
 */
value: string, };
export type ImportProblemKind = "duplicate" | "rejected";
export type ImportResult = { 
/**
 * Rows read below the header.
 */
rows: number, 
/**
 * New contacts.
 */
added: number, 
/**
 * Contacts that were there and got new values.
 */
updated: number, 
/**
 * Contacts that were there and stayed as they were.
 */
unchanged: number, 
/**
 * Rows whose address stood in the file before.
 */
duplicates: number, 
/**
 * Rows that could not be taken.
 */
rejected: number, 
/**
 * One entry for each row that was a duplicate or rejected, in order, at most 1,000.
 */
problems: Array<ImportProblem>, 
/**
 * The list that they are on now.
 */
list: ListId | null, };
export type ImportRun = { 
/**
 * A file on this computer.
 */
path: string, 
/**
 * Where columns go, by header; what is missing goes by the guess.
 */
map: { [key in string]: string }, 
/**
 * Put all good rows on the list of this name, made where it is missing.
 */
list?: string, 
/**
 * Say what would happen, change nothing.
 */
dry_run: boolean, 
/**
 * What these people said about tracking.
 */
consent?: ConsentState, 
/**
 * By which way they said it; required for `granted`.
 */
consent_source: string, 
/**
 * The words they agreed to; required for `granted`.
 */
consent_wording: string, 
/**
 * Mark what comes in as sample data.
 */
sample: boolean, };
export type IncomingKind = "bounced" | "unsubscribed" | "complained" | "refused" | "delayed" | "known" | "foreign" | "not_understood";
export type IncomingResult = { 
/**
 * Mails and lines that were read.
 */
read: number, 
/**
 * Answers by kind, kinds without any left out. A mail may have several.
 */
counts: { [key in IncomingKind]?: number }, 
/**
 * Addresses that got mail until now and get no more.
 */
addresses: number, 
/**
 * The first 1,000 answers, in the order of the files.
 */
rows: Array<IncomingRow>, 
/**
 * Nothing was changed.
 */
dry_run: boolean, };
export type IncomingRow = { 
/**
 * Where it stands: `bounces.mbox, mail 3`, or `line 4`.
 */
place: string, 
/**
 * What it is.
 */
kind: IncomingKind, 
/**
 * Whose it is; may be empty.
 */
address: string, 
/**
 * The person, where there is one.
 */
contact: ContactId | null, 
/**
 * The mail of ours that it is about.
 */
message: MessageId | null, 
/**
 * What it says, and what was done.
 */
sentence: string, };
export type IncomingRun = { 
/**
 * Files with one mail (.eml) or many (mbox), at most 128 MiB each and 100 of them.
 */
paths: Array<string>, 
/**
 * Addresses, one a line; at most 5 MiB.
 */
text: string, 
/**
 * What the addresses of `text` are.
 */
text_is: PastedKind, 
/**
 * Passes over everything but wishes to unsubscribe.
 */
only_unsubscribes: boolean, 
/**
 * Changes nothing.
 */
dry_run: boolean, };
export type Job = { 
/**
 * Its id in this engine.
 */
id: JobId, 
/**
 * What it does, in a few words: "Preparing Spring newsletter".
 */
title: string, 
/**
 * Running, done, failed, cancelled.
 */
state: JobState, 
/**
 * Steps done.
 */
done: number, 
/**
 * Steps in all; `null` where that cannot be known yet.
 */
total: number | null, 
/**
 * The result as JSON, once it is done.
 */
result: unknown, 
/**
 * Why it failed.
 */
error: Error | null, };
export type JobCancel = { 
/**
 * Which.
 */
job: JobId, };
export type JobGet = { 
/**
 * Which.
 */
job: JobId, };
export type JobId = number;
export type JobList = Record<symbol, never>;
export type JobListResponse = { 
/**
 * Newest first, at most 50.
 */
jobs: Array<Job>, };
export type JobStarted = { 
/**
 * To follow it in events, and to cancel it.
 */
job: JobId, };
export type JobState = "running" | "done" | "failed" | "cancelled";
export type Judged = { 
/**
 * Hits whose verdict changed.
 */
changed: number, };
export type LabelId = number;
export type LabelKind = "hit" | "domain" | "network";
export type LabelList = Record<symbol, never>;
export type LabelListResponse = { 
/**
 * Newest first.
 */
labels: Array<LabelRow>, };
export type LabelMark = { 
/**
 * Its id.
 */
id: LabelId, 
/**
 * What it is about.
 */
kind: LabelKind, 
/**
 * What the user says.
 */
says: Says, };
export type LabelRemove = { 
/**
 * Which.
 */
id: LabelId, };
export type LabelRow = { 
/**
 * Its id.
 */
id: LabelId, 
/**
 * What it is about.
 */
kind: LabelKind, 
/**
 * The hit's id, the domain, or the network.
 */
value: string, 
/**
 * What the user says.
 */
says: Says, 
/**
 * When.
 */
at: string, };
export type LabelSaved = { 
/**
 * Its id, to undo it.
 */
id: LabelId, 
/**
 * Hits that are taken for something else now.
 */
changed: number, };
export type LabelSet = { 
/**
 * What it is about.
 */
kind: LabelKind, 
/**
 * The hit's id, a mail domain, or a network: IPv4 /24 or IPv6 /48, or any address in it.
 */
value: string, 
/**
 * Of a domain or a network only `machine` or `unknown`: a rule over many never makes people of machines.
 */
says: Says, };
export type Lines = { 
/**
 * What they are for.
 */
part: LinesPart, 
/**
 * What is done here, in a sentence or two.
 */
title: string, 
/**
 * Where the lines go: "On the server, as root", or a file.
 */
place: string, 
/**
 * The lines.
 */
text: string, };
export type LinesPart = "login" | "keep_alive" | "caddy" | "nginx" | "service";
export type List = { 
/**
 * Its id.
 */
id: ListId, 
/**
 * Its name; unique.
 */
name: string, 
/**
 * Members.
 */
contacts: number, 
/**
 * Part of the sample data.
 */
sample: boolean, };
export type ListId = number;
export type ListList = Record<symbol, never>;
export type ListListResponse = { 
/**
 * By name.
 */
lists: Array<List>, 
/**
 * Contacts in all, in a list or not.
 */
contacts: number, 
/**
 * Contacts that get no mail.
 */
suppressed: number, 
/**
 * Contacts by consent: granted, refused, unknown.
 */
consent: { [key in string]: number }, };
export type ListRemove = { 
/**
 * Which.
 */
id: ListId, };
export type ListSave = { 
/**
 * `null` adds.
 */
id?: ListId, 
/**
 * Unique, 1 to 120 characters, no control characters.
 */
name: string, };
export type ListSaved = { 
/**
 * Its id.
 */
id: ListId, };
export type ListenerStart = { 
/**
 * `ADDR:PORT`; port 0 takes a free one.
 */
bind?: string, 
/**
 * `ADDR:PORT` of the entrance behind a proxy or tunnel; loopback only, since its word is believed.
 */
behind_proxy?: string, 
/**
 * The header in which that proxy puts the client's address.
 */
client_header?: string, };
export type ListenerStatus = { 
/**
 * It answers.
 */
listening: boolean, 
/**
 * `http://ADDR:PORT` of each entrance.
 */
entrances: Array<Entrance>, 
/**
 * The base address that mails carry.
 */
address: Address, 
/**
 * One sentence for the foot of the sidebar: whether pixels can reach us.
 */
sentence: string, 
/**
 * Good, only for trying out, or not at all.
 */
level: ReachLevel, 
/**
 * Requests stored in the last 60 seconds.
 */
hits_per_minute: number, 
/**
 * What is wrong, or the last failure, as a sentence.
 */
last_error: string | null, 
/**
 * Since when it answers.
 */
since: string | null, 
/**
 * Connections that are open.
 */
connections: number, 
/**
 * As many as may be open at once.
 */
connections_limit: number, 
/**
 * Requests that wait for their answer.
 */
queue: number, 
/**
 * What readers sent that is on disk and waits for the database to be written again.
 */
spooled: number, 
/**
 * What was turned away since then, by reason.
 */
refused: Array<Refused>, 
/**
 * How often the inner server was built anew since then.
 */
restarts: number, 
/**
 * What the user should know of: buttons that were pressed for nobody.
 */
alarm: string | null, };
export type ListenerStatusGet = Record<symbol, never>;
export type ListenerStop = Record<symbol, never>;
export type LocalTime = { 
/**
 * Such as `2026-12-01T09:00:00`.
 */
time: string, 
/**
 * An IANA zone.
 */
zone: string, };
export type MailCheck = { 
/**
 * A file with one mail, at most 25 MiB.
 */
path: string, };
export type MailChecked = { 
/**
 * From whom it says it is; empty where it does not.
 */
from: string, 
/**
 * Its subject, at most 200 characters.
 */
subject: string, 
/**
 * The worst of the findings.
 */
severity: CheckSeverity, 
/**
 * In the order of [`CheckTopic`].
 */
findings: Array<CheckFinding>, };
export type MessageDialogue = { 
/**
 * Which.
 */
id: MessageId, };
export type MessageDialogueResponse = { 
/**
 * Of all tries, at most the last 200: ours begin with `>`, the server's with `<`, and a try with `—` and its
 * time. Secrets and the mail itself are not among them. Empty where nothing is kept.
 */
lines: Array<string>, 
/**
 * When it was tried last; `null` where nothing is kept.
 */
at: string | null, 
/**
 * Why nothing is kept, as a sentence; empty where something is.
 */
note: string, };
export type MessageId = number;
export type MessageResolve = { 
/**
 * Of which campaign.
 */
id: CampaignId, 
/**
 * These; missing takes all that are not left as they are already.
 */
messages?: Array<MessageId>, 
/**
 * What is to become of them.
 */
how: Resolution, };
export type MessageState = "planned" | "queued" | "handing_over" | "accepted" | "deferred" | "rejected" | "uncertain" | "cancelled" | "skipped";
export type MessageTimeline = { 
/**
 * Which.
 */
id: MessageId, };
export type MessageTimelineResponse = { 
/**
 * As in the table.
 */
recipient: RecipientRow, 
/**
 * The campaign.
 */
campaign: CampaignId, 
/**
 * Its name.
 */
campaign_name: string, 
/**
 * In time order.
 */
entries: Array<TimelineEntry>, 
/**
 * One sentence on tracking where there is something to say: "Ana asked not to be tracked. …".
 */
note: string, 
/**
 * Clients with which people looked at it. Not a number of readers.
 */
environments: number, 
/**
 * What that means, where there are several; else empty.
 */
environments_note: string, };
export type NextStep = "add_account" | "import_contacts" | "write_campaign" | "set_address";
export type NotTracked = { 
/**
 * The sum of the reasons.
 */
total: number, } & ({ [key in "refused" | "unknown_consent" | "campaign_off" | "shared_pixel" | "no_address" | "frequency_cap" | "asks_consent" | "erased"]?: number });
export type NotTrackedReason = "refused" | "unknown_consent" | "campaign_off" | "shared_pixel" | "no_address" | "frequency_cap" | "asks_consent" | "erased";
export type OutboxFile = { 
/**
 * Its name.
 */
name: string, 
/**
 * In bytes.
 */
size: number, };
export type OutboxGet = { 
/**
 * Which.
 */
id: OutboxId, };
export type OutboxId = number;
export type OutboxList = { 
/**
 * Only of this campaign.
 */
campaign?: CampaignId, 
/**
 * Part of an address or subject.
 */
search: string, 
/**
 * Rows to skip.
 */
offset: number, 
/**
 * At most 500; 0 means 100.
 */
limit: number, };
export type OutboxListResponse = { 
/**
 * How many match in all.
 */
total: number, 
/**
 * Newest first.
 */
mails: Array<OutboxRow>, };
export type OutboxMail = { 
/**
 * As in the list.
 */
row: OutboxRow, 
/**
 * `Name <address>`.
 */
from: string, 
/**
 * The HTML part without its remote pictures. To be shown in a sandboxed frame only.
 */
html: string, 
/**
 * The text part.
 */
text: string, 
/**
 * Header fields in order, decoded.
 */
headers: Array<[string, string]>, 
/**
 * The pixel's address in the mail; `null` where there is none.
 */
pixel: string | null, 
/**
 * Attached files.
 */
files: Array<OutboxFile>, };
export type OutboxOpenAs = { 
/**
 * Which.
 */
id: OutboxId, 
/**
 * As what.
 */
client: ReaderClient, };
export type OutboxOpenAsResponse = { 
/**
 * HTTP status; `null` where the mail has no pixel.
 */
status: number | null, 
/**
 * One sentence: what happened, and how it will be counted.
 */
sentence: string, };
export type OutboxRow = { 
/**
 * Its id.
 */
id: OutboxId, 
/**
 * When it was "sent".
 */
at: string, 
/**
 * To whom.
 */
to: string, 
/**
 * Its subject.
 */
subject: string, 
/**
 * Its campaign; `null` for other mails.
 */
campaign: CampaignId | null, 
/**
 * A test mail: never tracked.
 */
test: boolean, 
/**
 * The file.
 */
path: string, };
export type PastedKind = "bounced" | "unsubscribed";
export type Permanence = "own" | "lent" | "temporary";
export type Picture = { 
/**
 * `image/png` and its kin.
 */
media_type: string, 
/**
 * Its bytes in base64.
 */
base64: string, };
export type PictureGet = { 
/**
 * As in [`Attachment`].
 */
digest: string, };
export type Placement = "attached" | "inline";
export type Preflight = { 
/**
 * Which.
 */
id: CampaignId, 
/**
 * The ledger is filled and every mail was audited; otherwise only the findings about the draft are here.
 */
prepared: boolean, 
/**
 * It may be launched: no finding blocks.
 */
ready: boolean, 
/**
 * Mails that will leave.
 */
to_send: number, 
/**
 * People of the audience who get none, by reason.
 */
skipped: { [key in string]: number }, 
/**
 * Mails by how they are tracked: personal, shared, none.
 */
tracking: { [key in string]: number }, 
/**
 * Why mails are not tracked on their own, by reason.
 */
not_tracked: { [key in string]: number }, 
/**
 * Problems first.
 */
findings: Array<Finding>, 
/**
 * `Name <address>`.
 */
from: string, 
/**
 * The account's name.
 */
account: string, 
/**
 * The window, if it were launched now.
 */
window: Window | null, 
/**
 * The base address that the mails carry.
 */
address: Address, 
/**
 * The smallest and the largest finished mail, in bytes.
 */
size_range: [number, number] | null, 
/**
 * Mails that are worth a look: the largest, the smallest, the emptiest, the first and the last.
 */
samples: Array<Sample>, 
/**
 * How long sending takes at the account's limit, in seconds; `null` without a limit.
 */
seconds: number | null, 
/**
 * Sent into the embedded outbox: practice.
 */
practice: boolean, 
/**
 * The host that has to be typed before it is launched, because the address may be gone long before the window is
 * over; `null` where none has to. A later time of launch may ask for it, too.
 */
confirm_host: string | null, 
/**
 * Why the address may not last, in a sentence; `null` where it lasts, and of practice.
 */
lasts: string | null, 
/**
 * That this computer has to be on, and how much of the last week it was, in a sentence; `null` where mails carry no
 * public address, and of practice.
 */
only_while_on: string | null, };
export type Preview = { 
/**
 * As whom.
 */
contact: ContactId | null, 
/**
 * Their name or address; "a reader without data" where there is none.
 */
contact_label: string, 
/**
 * The next and the previous contact of the audience.
 */
previous: ContactId | null, 
/**
 * See `previous`.
 */
next: ContactId | null, 
/**
 * Rendered.
 */
subject: string, 
/**
 * Rendered.
 */
preheader: string, 
/**
 * `Name <address>` of the account; empty where none is chosen.
 */
from: string, 
/**
 * The HTML part. To be shown in a sandboxed frame only.
 */
html: string, 
/**
 * The text part.
 */
text: string, 
/**
 * Bytes of the finished mail.
 */
size: number, 
/**
 * Words in the text part.
 */
words: number, 
/**
 * What the reader of this preview should know: unresolved fields, a missing address, size.
 */
findings: Array<Finding>, };
export type Probe = { 
/**
 * The base address that was asked.
 */
url: string, 
/**
 * When.
 */
at: string, 
/**
 * What was seen.
 */
verdict: ProbeVerdict, 
/**
 * The same in a sentence.
 */
sentence: string, 
/**
 * What to do about it.
 */
advice: string | null, 
/**
 * From the first word to the whole answer, the lookup of the name left out, in milliseconds.
 */
latency_ms: number | null, 
/**
 * When its certificate ends.
 */
certificate_until: string | null, };
export type ProbeVerdict = "ok" | "interstitial" | "redirect" | "cached" | "plain_http" | "certificate" | "other_casement" | "foreign" | "nothing_behind" | "name" | "refused" | "timeout" | "no_network" | "cannot_self_test";
export type Provider = "gmail" | "apple" | "yahoo" | "microsoft" | "other";
export type ProviderParts = { 
/**
 * Whose mailboxes.
 */
provider: Provider, 
/**
 * Mails that the sender's server took.
 */
accepted: number, 
/**
 * Of these, with a pixel of their own.
 */
tracked: number, 
/**
 * See [`RateParts`].
 */
confirmed: number, 
/**
 * See [`RateParts`].
 */
unknown: number, 
/**
 * See [`RateParts`].
 */
machine_only: number, 
/**
 * See [`RateParts`].
 */
no_signal: number, };
export type Quiet = { 
/**
 * From this time on.
 */
from: string, 
/**
 * Until before this time. The same as `from` is no quiet at all.
 */
until: string, };
export type RateParts = { 
/**
 * Mails that the sender's server took.
 */
accepted: number, 
/**
 * Of these, with a pixel of their own.
 */
tracked: number, 
/**
 * A person looked.
 */
confirmed: number, 
/**
 * Something looked that cannot be told from a person.
 */
unknown: number, 
/**
 * Only machines fetched the pixel.
 */
machine_only: number, 
/**
 * Nothing was seen; never "not opened".
 */
no_signal: number, 
/**
 * Accepted mails that cannot be measured on their own: `total`, and a number for each reason.
 */
not_tracked: NotTracked, 
/**
 * Loads that were not recorded because the reader's browser asks for it (DNT, GPC).
 */
not_recorded_at_request: number, 
/**
 * `confirmed / tracked`; `null` where nothing could be measured.
 */
confirmed_rate: number | null, 
/**
 * `(confirmed + unknown + machine_only + min(not_recorded_at_request, no_signal)) / tracked`; `null` where
 * nothing could be measured.
 */
upper_rate: number | null, 
/**
 * Why the rates are `null`; `null` where they are not.
 */
unmeasured: Unmeasured | null, };
export type Reach = { 
/**
 * What mails carry.
 */
address: Address, 
/**
 * The listener answers on this computer.
 */
listening: boolean, 
/**
 * What the last probe of it saw.
 */
probe: Probe | null, 
/**
 * When it was last proved from outside.
 */
last_good: string | null, 
/**
 * Probes in a row that say that readers cannot get through.
 */
misses: number, 
/**
 * When it is probed again by itself; `null` where nobody does: no listener runs, mails carry no public address, or
 * one that is reserved for examples and tests.
 */
next_probe_at: string | null, 
/**
 * Mails that carry it and were opened for the first time in the last 24 hours.
 */
opens_last_day: number, };
export type ReachGet = Record<symbol, never>;
export type ReachLevel = "reachable" | "unproved" | "local_only" | "unreachable";
export type ReachProbe = { 
/**
 * A base address; `null` for the one in use.
 */
url?: string, };
export type ReaderClient = "gmail" | "gmail_prefetch" | "iphone" | "apple_privacy" | "outlook" | "scanner";
export type Recipe = { 
/**
 * The service.
 */
name: string, 
/**
 * What must be done before, in a sentence.
 */
before: string, 
/**
 * The command line.
 */
argv: Array<string>, 
/**
 * How the address looks in its words; `null` where it is to be typed.
 */
pattern: string | null, 
/**
 * The header in which it names the reader's address.
 */
client_header: string | null, };
export type RecipientFilter = "human" | "unknown" | "machine_only" | "no_signal" | "not_tracked" | "not_delivered";
export type RecipientRow = { 
/**
 * For the timeline.
 */
message: MessageId, 
/**
 * `null` once erased.
 */
contact: ContactId | null, 
/**
 * Empty once erased.
 */
email: string, 
/**
 * May be empty.
 */
name: string, 
/**
 * Where the mail is.
 */
state: MessageState, 
/**
 * What was seen; `null` where it is not measured.
 */
signal: Signal | null, 
/**
 * Why it is not measured.
 */
not_tracked: NotTrackedReason | null, 
/**
 * The first human look.
 */
first_open_at: string | null, 
/**
 * Looks by people (gaps under 30 minutes count once).
 */
looks: number, 
/**
 * When the server took it.
 */
accepted_at: string | null, 
/**
 * Requests before the window; only counted.
 */
early: number, 
/**
 * Requests after the window; only counted.
 */
late: number, 
/**
 * Requests beyond the cap; only counted.
 */
over_cap: number, 
/**
 * When it was read that the mail had come back.
 */
bounced_at: string | null, };
export type RecipientSort = "email" | "first_open" | "signal" | "accepted";
export type Refused = { 
/**
 * A word for programs.
 */
reason: string, 
/**
 * For people.
 */
words: string, 
/**
 * How often.
 */
n: number, };
export type Report = { 
/**
 * Which.
 */
id: CampaignId, 
/**
 * Its name.
 */
name: string, 
/**
 * Its subject.
 */
subject: string, 
/**
 * Looks before the window; only counted.
 */
early: number, 
/**
 * Looks after the window; only counted.
 */
late: number, 
/**
 * Looks beyond the cap; only counted.
 */
over_cap: number, 
/**
 * An estimate of the true rate, in `[0, 1]`, only where its conditions hold. It assumes that readers whom
 * Apple's mail privacy hides behave like the others, which cannot be checked.
 */
estimate: number | null, 
/**
 * The interval of the estimate, `[low, high]`; `null` exactly where the estimate is. Wilson's 95 % interval
 * where everybody can be told, wider the more readers are only assumed to be like the others.
 */
interval: [number, number] | null, 
/**
 * The share of the window so far in which the listener was up and the address of the mails was not known to lead
 * elsewhere; `null` before the window opens.
 */
reachable_share: number | null, 
/**
 * Messages by state.
 */
counts: { [key in string]: number }, 
/**
 * People of the audience who got no mail, by reason.
 */
skipped: { [key in string]: number }, 
/**
 * People who unsubscribed through this campaign.
 */
unsubscribed: number, 
/**
 * People who ended tracking through this campaign.
 */
opted_out: number, 
/**
 * Accepted mails that came back later. They stay in every rate: what the server accepted is what was sent.
 */
bounced_later: number, 
/**
 * Mails that their readers reported as unwanted.
 */
complained: number, 
/**
 * Loads of the shared pixel by class; not a rate and not a number of readers.
 */
shared_loads: { [key in HitClass]?: number }, 
/**
 * The window.
 */
window: Window | null, 
/**
 * The window's zone.
 */
zone: string, 
/**
 * When it was launched.
 */
launched_at: string | null, 
/**
 * Sent into the embedded outbox: practice.
 */
practice: boolean, 
/**
 * 95 % interval of the confirmed rate, `[low, high]` (Wilson 1927); `null` where the rate is.
 */
confirmed_interval: [number, number] | null, 
/**
 * The moment for which the numbers hold.
 */
as_of: string, 
/**
 * When the addresses of the pixels were destroyed: no load can be told since.
 */
closed_at: string | null, 
/**
 * The receipt of that.
 */
closing: Closing | null, 
/**
 * Until when loads after the window are counted as late; `null` before launch.
 */
late_counted_until: string | null, 
/**
 * Mails that the sender's server took.
 */
accepted: number, 
/**
 * Of these, with a pixel of their own.
 */
tracked: number, 
/**
 * A person looked.
 */
confirmed: number, 
/**
 * Something looked that cannot be told from a person.
 */
unknown: number, 
/**
 * Only machines fetched the pixel.
 */
machine_only: number, 
/**
 * Nothing was seen; never "not opened".
 */
no_signal: number, 
/**
 * Accepted mails that cannot be measured on their own: `total`, and a number for each reason.
 */
not_tracked: NotTracked, 
/**
 * Loads that were not recorded because the reader's browser asks for it (DNT, GPC).
 */
not_recorded_at_request: number, 
/**
 * `confirmed / tracked`; `null` where nothing could be measured.
 */
confirmed_rate: number | null, 
/**
 * `(confirmed + unknown + machine_only + min(not_recorded_at_request, no_signal)) / tracked`; `null` where
 * nothing could be measured.
 */
upper_rate: number | null, 
/**
 * Why the rates are `null`; `null` where they are not.
 */
unmeasured: Unmeasured | null, };
export type ReportExport = { 
/**
 * Which campaign.
 */
id: CampaignId, 
/**
 * Where to.
 */
path: string, 
/**
 * As what.
 */
format: ExportFormat, };
export type ReportExportResponse = { 
/**
 * Where.
 */
path: string, 
/**
 * Bytes.
 */
bytes: number, };
export type ReportGet = { 
/**
 * Which.
 */
id: CampaignId, };
export type ReportProviders = { 
/**
 * Which.
 */
id: CampaignId, };
export type ReportProvidersResponse = { 
/**
 * In the order of [`Provider`].
 */
providers: Array<ProviderParts>, };
export type ReportRecipients = { 
/**
 * Which campaign.
 */
id: CampaignId, 
/**
 * Only these; `null` for all.
 */
filter?: RecipientFilter, 
/**
 * Part of an address or name.
 */
search: string, 
/**
 * By what to sort.
 */
sort: RecipientSort, 
/**
 * Last first.
 */
descending: boolean, 
/**
 * Rows to skip.
 */
offset: number, 
/**
 * Rows wanted, at most 500; 0 means 100.
 */
limit: number, };
export type ReportRecipientsResponse = { 
/**
 * How many match in all.
 */
total: number, 
/**
 * The page.
 */
recipients: Array<RecipientRow>, };
export type ReportSeries = { 
/**
 * Which.
 */
id: CampaignId, };
export type ReportSeriesResponse = { 
/**
 * Length of a point in minutes: 60, or more for long windows.
 */
minutes: number, 
/**
 * In time order, only where something happened.
 */
points: Array<SeriesPoint>, 
/**
 * Intervals in which opens could arrive, cut to the chart: the listener was up, and the address of the mails was
 * not known to lead elsewhere.
 */
up: Array<[string, string]>, 
/**
 * The window.
 */
window: Window | null, 
/**
 * The chart's first and last instant.
 */
span: [string, string] | null, };
export type Resolution = "leave" | "again" | "sent";
export type RouteKind = "public" | "local" | "none";
export type RouteRow = { 
/**
 * The base address; empty for kind *none*.
 */
url: string, 
/**
 * Which kind.
 */
kind: RouteKind, 
/**
 * How long such an address lasts; `null` for kind *none*.
 */
permanence: Permanence | null, 
/**
 * Why it may not last, in a sentence; `null` for a name of one's own and for kind *none*.
 */
lasts: string | null, 
/**
 * Mails carry it from now on.
 */
current: boolean, 
/**
 * Nobody elsewhere can reach it: it was tried out.
 */
tried_out: boolean, 
/**
 * When it was used first.
 */
since: string, 
/**
 * Sent mails whose pixels and links name it, of campaigns whose window is not over.
 */
live_messages: number, 
/**
 * Campaigns to which those belong.
 */
live_campaigns: number, 
/**
 * Mails of launched campaigns that are still to be sent and will carry it.
 */
waiting: number, 
/**
 * Mails that were sent with it at all: their links to unsubscribe name it for ever. Practice is left out.
 */
messages: number, 
/**
 * When the last window of those campaigns ends.
 */
until: string | null, 
/**
 * What its last probe saw.
 */
probe: Probe | null, 
/**
 * When it was last proved from outside.
 */
last_good: string | null, 
/**
 * Opens of mails that carry it, in the last 24 hours.
 */
opens_last_day: number, };
export type Routes = { 
/**
 * One for each.
 */
routes: Array<RouteRow>, };
export type RoutesGet = Record<symbol, never>;
export type Sample = { 
/**
 * Whose it is; `campaign_preview` shows it.
 */
contact: ContactId, 
/**
 * Their name, or their address.
 */
label: string, 
/**
 * Why; at least one.
 */
kinds: Array<SampleKind>, 
/**
 * Bytes of the finished mail.
 */
size: number, 
/**
 * Merge fields of the mail that this person has no value for.
 */
empty_fields: number, };
export type SampleDataAdd = Record<symbol, never>;
export type SampleDataRemove = Record<symbol, never>;
export type SampleKind = "longest" | "shortest" | "emptiest" | "first" | "last";
export type Says = "person" | "machine" | "unknown";
export type Secret = string;
export type SecretPlace = "none" | "keychain" | "file";
export type SendingAccount = { 
/**
 * Its id.
 */
id: AccountId, 
/**
 * Its name.
 */
name: string, 
/**
 * How it stands.
 */
standing: AccountStanding, };
export type SendingDay = { 
/**
 * The day.
 */
date: string, 
/**
 * Mails.
 */
n: number, };
export type SendingError = { 
/**
 * Whose fault.
 */
kind: ErrorKind, 
/**
 * What became of the messages: `deferred`, `rejected` or `uncertain`.
 */
state: MessageState, 
/**
 * How many.
 */
n: number, 
/**
 * The server's words for one of them.
 */
example: string, };
export type SendingForecast = { 
/**
 * The last one.
 */
finishes_at: string, 
/**
 * How many leave on each day of the campaign's zone, in order.
 */
days: Array<SendingDay>, 
/**
 * A limit of 24 hours makes some wait.
 */
day_limited: boolean, };
export type SendingRefusal = { 
/**
 * The service, or the domain.
 */
service: string, 
/**
 * Why, and its words.
 */
reply: string, };
export type SendingStart = Record<symbol, never>;
export type SendingStatus = { 
/**
 * It is at work.
 */
running: boolean, 
/**
 * Something leaves now or within a minute: the computer is to stay awake for it.
 */
busy: boolean, 
/**
 * Mails of running campaigns that could leave now, if their accounts may.
 */
due: number, 
/**
 * Mails being handed over.
 */
in_hand: number, 
/**
 * Readers who asked for what is held about them, and to whom it could be mailed now.
 */
data_requests: number, 
/**
 * When the next mail that waits may leave.
 */
next_attempt_at: string | null, };
export type SendingStatusGet = Record<symbol, never>;
export type SendingStop = Record<symbol, never>;
export type SeriesPoint = { 
/**
 * Its beginning.
 */
at: string, 
/**
 * Messages whose first human look fell here.
 */
first_opens: number, 
/**
 * Looks by signal: human, unknown, machine_only.
 */
human: number, 
/**
 * See `human`.
 */
unknown: number, 
/**
 * See `human`.
 */
machine: number, 
/**
 * Outside the window, only counted.
 */
outside: number, };
export type Settings = { 
/**
 * What to do with people whose tracking consent is unknown; `null` until the user chose.
 */
unknown_policy: UnknownPolicy | null, 
/**
 * Printed at the foot of every mail; commercial mail must carry it in many countries.
 */
postal_address: string, 
/**
 * The sender's or the organisation's name, for pages that readers see.
 */
organisation: string, 
/**
 * IANA zone for windows and charts.
 */
zone: string, 
/**
 * `system`, `light` or `dark`.
 */
theme: Theme, 
/**
 * The cap on tracked mails to one person in 30 days; beyond it mails go out without a pixel.
 */
tracked_per_30_days: number, 
/**
 * A reader's browser that sends DNT or GPC with an open refuses tracking for its reader, from then on.
 */
signal_is_refusal: boolean, 
/**
 * Days after a window in which loads are still counted as late, for campaigns that set nothing else.
 */
grace_days: number, 
/**
 * Stored loads of one mail; further ones are only counted.
 */
cap_hits: number, 
/**
 * Of these, by machines.
 */
cap_machine_hits: number, 
/**
 * Months after the end of a campaign's tracking for which the verdicts on its loads are kept.
 */
verdicts_months: number, };
export type SettingsUpdate = { 
/**
 * See [`Settings::unknown_policy`].
 */
unknown_policy?: UnknownPolicy, 
/**
 * See [`Settings::postal_address`].
 */
postal_address?: string, 
/**
 * See [`Settings::organisation`].
 */
organisation?: string, 
/**
 * See [`Settings::zone`].
 */
zone?: string, 
/**
 * See [`Settings::theme`].
 */
theme?: Theme, 
/**
 * See [`Settings::tracked_per_30_days`]. 1 to 1,000.
 */
tracked_per_30_days?: number, 
/**
 * See [`Settings::signal_is_refusal`].
 */
signal_is_refusal?: boolean, 
/**
 * See [`Settings::grace_days`]. 0 to 90.
 */
grace_days?: number, 
/**
 * See [`Settings::cap_hits`]. 1 to 1,000.
 */
cap_hits?: number, 
/**
 * See [`Settings::cap_machine_hits`]. 0 to `cap_hits`.
 */
cap_machine_hits?: number, 
/**
 * See [`Settings::verdicts_months`]. 1 to 60.
 */
verdicts_months?: number, };
export type SignIn = { 
/**
 * See [`SignInSettings::service`].
 */
service: SignInService, 
/**
 * See [`SignInSettings::client_id`].
 */
client_id: string, 
/**
 * A client secret is kept.
 */
has_client_secret: boolean, 
/**
 * See [`SignInSettings::tenant`].
 */
tenant: string, 
/**
 * See [`SignInSettings::authorize_url`].
 */
authorize_url: string, 
/**
 * See [`SignInSettings::token_url`].
 */
token_url: string, 
/**
 * See [`SignInSettings::scope`].
 */
scope: string, 
/**
 * Since when the permission holds; `null`: to sign in.
 */
signed_in_at: string | null, };
export type SignInService = "google" | "microsoft" | "other";
export type SignInSettings = { 
/**
 * Whose accounts they are.
 */
service: SignInService, 
/**
 * The user's own client id, 1 to 400 characters.
 */
client_id: string, 
/**
 * The client's secret, where it has one; missing keeps the one there is. Never logged, never sent back.
 */
client_secret?: Secret, 
/**
 * Microsoft's tenant: a name, a domain or an id; empty is `common`.
 */
tenant: string, 
/**
 * Of another service: where the browser goes. https, or http to this computer.
 */
authorize_url: string, 
/**
 * Of another service: where tokens come from. https, or http to this computer.
 */
token_url: string, 
/**
 * Of another service: what is asked for, one or several words.
 */
scope: string, };
export type Signal = "no_signal" | "machine_only" | "unknown" | "human";
export type Span = { 
/**
 * The text; `\n` is a line break.
 */
text: string, 
/**
 * Bold.
 */
bold: boolean, 
/**
 * Italic.
 */
italic: boolean, 
/**
 * `https:`, `http:`, `mailto:` or `tel:`; empty is no link.
 */
link: string, };
export type Tag = "settings" | "accounts" | "reach" | "contacts" | "lists" | "campaigns" | "opens" | "activity" | "outbox" | "jobs";
export type TestMailResponse = { 
/**
 * The server's words.
 */
reply: string, };
export type TestStep = { 
/**
 * DNS, port, TLS, certificate, login.
 */
kind: TestStepKind, 
/**
 * It worked.
 */
ok: boolean, 
/**
 * What was seen: an address, a TLS version, the server's words.
 */
detail: string, };
export type TestStepKind = "dns" | "port" | "tls" | "certificate" | "login";
export type Theme = "system" | "light" | "dark";
export type TimelineEntry = { 
/**
 * When.
 */
at: string, 
/**
 * What.
 */
kind: TimelineKind, 
/**
 * A sentence to show.
 */
text: string, 
/**
 * The server's words, verbatim, for `accepted`, `deferred`, `rejected`.
 */
reply: string, 
/**
 * For a hit: its class.
 */
class: HitClass | null, 
/**
 * For a hit: why it was classed so.
 */
reason: string, 
/**
 * For a hit: its id.
 */
hit: HitId | null, 
/**
 * For a hit: it counts as a new look, not as part of the one before.
 */
counted: boolean, 
/**
 * For a hit: the mail client, where its user agent names it.
 */
client: string, 
/**
 * For a hit: why it was classed so, in a sentence.
 */
why: string, 
/**
 * For a hit whose verdict may still change by what comes beside it: until when.
 */
checking_until: string | null, 
/**
 * For a hit: its evidence is gone; the verdict stays as it is.
 */
settled: boolean, 
/**
 * For a hit: the network it came from; empty where that is not known, or not kept any more.
 */
network: string, 
/**
 * For a hit: what the user says of it, or of its domain or network.
 */
label: LabelMark | null, };
export type TimelineKind = "queued" | "accepted" | "deferred" | "rejected" | "uncertain" | "skipped" | "cancelled" | "hit" | "counted" | "opted_out" | "unsubscribed" | "bounced" | "complained";
export type Tls = "none" | "starttls" | "tls";
export type Touched = { 
/**
 * How many.
 */
count: number, };
export type Trouble = { 
/**
 * The mail.
 */
message: MessageId, 
/**
 * To whom; `null` once the person is erased.
 */
contact: ContactId | null, 
/**
 * Their name, or their address.
 */
label: string, 
/**
 * Their address.
 */
email: string, 
/**
 * `rejected`, `skipped` (it could not be made) or `uncertain`.
 */
state: MessageState, 
/**
 * The server's words, or what happened.
 */
reply: string, 
/**
 * When that was.
 */
at: string | null, 
/**
 * It was given up after attempts that might have worked: another one may.
 */
temporary: boolean, 
/**
 * It cannot be sent again: the person was erased, or this address gets no mail any more.
 */
stopped: boolean, };
export type Tunnel = { 
/**
 * The way; `null` where none was chosen.
 */
chosen: TunnelChosen | null, 
/**
 * Something is started for it: all ways but a web server of one's own.
 */
runs_program: boolean, 
/**
 * Where it is.
 */
state: TunnelState, 
/**
 * The state in a sentence, with what to do.
 */
sentence: string, 
/**
 * The address that it offers now.
 */
url: string | null, 
/**
 * How long that address lasts.
 */
permanence: Permanence | null, 
/**
 * What went wrong last.
 */
trouble: TunnelTrouble | null, 
/**
 * More about that.
 */
detail: string | null, 
/**
 * The program's last words, as it said them.
 */
last_words: string | null, 
/**
 * Its last lines, oldest first; at most 200.
 */
lines: Array<string>, 
/**
 * Seconds until it is started again.
 */
again_in: number | null, 
/**
 * How long it took to ask for this computer through the address, in milliseconds.
 */
latency: number | null, 
/**
 * Why it cannot be told whether readers come through.
 */
unproved: string | null, 
/**
 * How often the program was started since the listener was.
 */
starts: number, };
export type TunnelChosen = { 
/**
 * The way.
 */
way: Way, 
/**
 * The port of this computer at which its traffic comes in.
 */
port: number, 
/**
 * The program's file, where one was picked.
 */
program: string | null, 
/**
 * A token is kept.
 */
has_token: boolean, 
/**
 * It is to be up whenever the listener is.
 */
is_on: boolean, };
export type TunnelDown = Record<symbol, never>;
export type TunnelHostKey = { 
/**
 * Its name or address.
 */
server: string, 
/**
 * Its port for ssh.
 */
port: number, };
export type TunnelHostKeyResponse = { 
/**
 * `type base64`.
 */
host_key: string, 
/**
 * To be compared with what the server itself says.
 */
fingerprint: string, };
export type TunnelKey = { 
/**
 * A key file of one's own.
 */
key_file?: string, };
export type TunnelKeyResponse = { 
/**
 * The line that a server is to know.
 */
public_key: string, 
/**
 * The file with the other half, which stays here.
 */
file: string, };
export type TunnelLines = { 
/**
 * The way.
 */
way: Way, 
/**
 * See [`TunnelSave::port`].
 */
port?: number, };
export type TunnelLinesResponse = { 
/**
 * Step by step.
 */
steps: Array<Lines>, };
export type TunnelProgram = { 
/**
 * Its name.
 */
name: string, 
/**
 * Where it is; `null` where it was not found.
 */
path: string | null, 
/**
 * What it says of its version.
 */
version: string | null, };
export type TunnelPrograms = Record<symbol, never>;
export type TunnelProgramsResponse = { 
/**
 * Each that is known, found or not.
 */
programs: Array<TunnelProgram>, 
/**
 * Command lines for those that have no steps of their own.
 */
recipes: Array<Recipe>, };
export type TunnelSave = { 
/**
 * The way; `null` forgets it, and its token.
 */
way: Way | null, 
/**
 * The port of this computer at which its traffic comes in, 1024 to 65535; 4806 where nothing is said.
 */
port?: number, 
/**
 * The program's file; it is looked for where nothing is said.
 */
program?: string, 
/**
 * The token of a named tunnel; the one that is kept stays where nothing is said.
 */
token?: Secret, 
/**
 * Mails carry the way's address from now on, where it is known.
 */
use_address: boolean, };
export type TunnelShow = Record<symbol, never>;
export type TunnelState = "stopped" | "starting" | "url_known" | "probing" | "live" | "degraded" | "backoff" | "needs_user";
export type TunnelTrouble = "login" | "quota" | "port_held" | "host_key_changed" | "not_permitted" | "no_network" | "server_away" | "lost" | "program_missing" | "unfinished" | "never_ready" | "not_reached" | "hindered" | "ended";
export type TunnelUp = Record<symbol, never>;
export type UnknownPolicy = "personal" | "shared" | "none";
export type Unmeasured = "nothing_accepted" | "no_pixel" | "not_open" | "never_reachable";
export type Verify = Record<symbol, never>;
export type VerifyResponse = { 
/**
 * Nothing was found.
 */
ok: boolean, 
/**
 * One sentence for each breach.
 */
breaches: Array<string>, 
/**
 * What was checked, with counts: "1,079 messages".
 */
checked: Array<string>, };
export type Way = { "kind": "proxy", 
/**
 * The public address.
 */
url: string, } | { "kind": "ssh", 
/**
 * The public address, which a web server on that server answers.
 */
url: string, 
/**
 * The server's name or address.
 */
server: string, 
/**
 * Its port for ssh.
 */
port: number, 
/**
 * The user there.
 */
user: string, 
/**
 * The port on the server's loopback that leads here.
 */
server_port: number, 
/**
 * A key file of one's own; `null` takes the one that Casement made.
 */
key_file: string | null, 
/**
 * The server's key as it was at pairing: `type base64`.
 */
host_key: string, } | { "kind": "cloudflare_named", 
/**
 * The public address, on a domain at Cloudflare.
 */
url: string, } | { "kind": "cloudflare_quick", } | { "kind": "command", 
/**
 * Program and arguments; `{port}` becomes the tunnel's port here.
 */
argv: Array<string>, 
/**
 * The address, where it stays.
 */
url: string | null, 
/**
 * Where it does not: which address in the program's words it is; `*` is any part of a name.
 */
pattern: string | null, 
/**
 * The header in which it names the reader's address.
 */
client_header: string | null, };
export type WhenLate = "run" | "ask" | "skip";
export type Window = { 
/**
 * The first instant inside.
 */
opens_from: string, 
/**
 * The first instant after.
 */
opens_until: string, };
export type WindowSpec = { 
/**
 * At least 1, at most 400.
 */
days: number, 
/**
 * IANA zone name; the workspace's where it is missing.
 */
zone?: string, } | { 
/**
 * Local time in `zone`, inclusive.
 */
from: string, 
/**
 * Local time in `zone`, exclusive.
 */
until: string, 
/**
 * IANA zone name.
 */
zone: string, };

export type Commands = {
  app_state: [AppStateGet, AppState];
  settings_update: [SettingsUpdate, Settings];
  sample_data_add: [SampleDataAdd, JobStarted];
  sample_data_remove: [SampleDataRemove, Done];
  home: [HomeGet, Home];
  job_list: [JobList, JobListResponse];
  job_get: [JobGet, Job];
  job_cancel: [JobCancel, Done];
  verify: [Verify, VerifyResponse];
  backup_save: [BackupSave, JobStarted];
  backup_list: [BackupList, BackupListResponse];
  backup_look: [BackupLook, BackupLookResponse];
  backup_restore: [BackupRestore, BackupRestoreResponse];
  address_show: [AddressShow, Address];
  address_set: [AddressSet, Address];
  tunnel_show: [TunnelShow, Tunnel];
  tunnel_save: [TunnelSave, Tunnel];
  tunnel_up: [TunnelUp, Tunnel];
  tunnel_down: [TunnelDown, Tunnel];
  tunnel_lines: [TunnelLines, TunnelLinesResponse];
  tunnel_key: [TunnelKey, TunnelKeyResponse];
  tunnel_host_key: [TunnelHostKey, TunnelHostKeyResponse];
  tunnel_programs: [TunnelPrograms, TunnelProgramsResponse];
  address_preview: [AddressPreview, AddressPreviewed];
  routes_get: [RoutesGet, Routes];
  listener_status: [ListenerStatusGet, ListenerStatus];
  listener_start: [ListenerStart, ListenerStatus];
  listener_stop: [ListenerStop, ListenerStatus];
  reach_get: [ReachGet, Reach];
  reach_probe: [ReachProbe, Probe];
  sending_start: [SendingStart, SendingStatus];
  sending_stop: [SendingStop, SendingStatus];
  sending_status: [SendingStatusGet, SendingStatus];
  account_list: [AccountList, AccountListResponse];
  account_providers: [AccountProviders, AccountProvidersResponse];
  account_save: [AccountSave, Account];
  account_remove: [AccountRemove, Done];
  account_test: [AccountTest, AccountTestResponse];
  account_sign_in: [AccountSignIn, AccountSignInStarted];
  account_trust: [AccountTrust, Account];
  domain_check: [DomainCheck, DomainChecked];
  domain_check_last: [DomainCheckLast, DomainCheckLastResponse];
  mail_check: [MailCheck, MailChecked];
  contact_list: [ContactList, ContactListResponse];
  contact_get: [ContactGet, ContactDetails];
  contact_save: [ContactSave, ContactSaved];
  contact_consent_set: [ContactConsentSet, Done];
  contact_suppress: [ContactSuppress, Done];
  contact_erase: [ContactErase, ContactEraseResponse];
  contact_erase_opens: [ContactEraseOpens, Done];
  contact_export: [ContactExport, ContactExportResponse];
  list_list: [ListList, ListListResponse];
  list_save: [ListSave, ListSaved];
  list_remove: [ListRemove, Done];
  import_preview: [ImportPreview, ImportPreviewResponse];
  import_run: [ImportRun, JobStarted];
  incoming_run: [IncomingRun, JobStarted];
  campaign_list: [CampaignList, CampaignListResponse];
  campaign_get: [CampaignGet, Campaign];
  campaign_save: [CampaignSave, CampaignSaved];
  campaign_create: [CampaignFile, CampaignSaved];
  campaign_duplicate: [CampaignDuplicate, CampaignSaved];
  campaign_remove: [CampaignRemove, Done];
  campaign_preview: [CampaignPreview, Preview];
  campaign_test_mail: [CampaignTestMail, TestMailResponse];
  document_from_markdown: [DocumentFromMarkdown, DocumentResponse];
  campaign_troubles: [CampaignTroubles, CampaignTroublesResponse];
  campaign_retry: [CampaignRetry, Touched];
  message_resolve: [MessageResolve, Touched];
  campaign_follow_up: [CampaignFollowUp, CampaignFollowUpResponse];
  campaign_follow_up_prepare: [CampaignFollowUpPrepare, JobStarted];
  campaign_follow_up_launch: [CampaignFollowUpLaunch, Done];
  campaign_follow_up_discard: [CampaignFollowUpDiscard, Done];
  attachment_add: [AttachmentAdd, Attachment];
  attachment_list: [AttachmentList, AttachmentListResponse];
  attachment_remove: [AttachmentRemove, Done];
  picture_get: [PictureGet, Picture];
  campaign_prepare: [CampaignPrepare, JobStarted];
  campaign_unprepare: [CampaignUnprepare, Done];
  campaign_preflight: [CampaignPreflight, Preflight];
  campaign_launch: [CampaignLaunch, Done];
  campaign_sending: [CampaignSendingGet, CampaignSending];
  campaign_pause: [CampaignPause, Done];
  campaign_resume: [CampaignResume, Done];
  campaign_cancel: [CampaignCancel, Done];
  campaign_window_set: [CampaignWindowSet, Done];
  campaign_window_end: [CampaignWindowEnd, Done];
  campaign_judge: [CampaignJudge, Judged];
  label_set: [LabelSet, LabelSaved];
  label_remove: [LabelRemove, Judged];
  label_list: [LabelList, LabelListResponse];
  report_get: [ReportGet, Report];
  report_series: [ReportSeries, ReportSeriesResponse];
  report_providers: [ReportProviders, ReportProvidersResponse];
  report_recipients: [ReportRecipients, ReportRecipientsResponse];
  message_timeline: [MessageTimeline, MessageTimelineResponse];
  message_dialogue: [MessageDialogue, MessageDialogueResponse];
  report_export: [ReportExport, ReportExportResponse];
  activity_list: [ActivityList, ActivityListResponse];
  outbox_list: [OutboxList, OutboxListResponse];
  outbox_get: [OutboxGet, OutboxMail];
  outbox_open_as: [OutboxOpenAs, OutboxOpenAsResponse];
};

export const provides: Record<keyof Commands, Tag[]> = {
  app_state: ["settings", "accounts", "contacts", "campaigns"],
  settings_update: [],
  sample_data_add: [],
  sample_data_remove: [],
  home: ["campaigns", "opens", "reach", "activity", "accounts", "contacts"],
  job_list: ["jobs"],
  job_get: ["jobs"],
  job_cancel: [],
  verify: [],
  backup_save: [],
  backup_list: ["settings"],
  backup_look: [],
  backup_restore: [],
  address_show: ["reach"],
  address_set: [],
  tunnel_show: ["reach"],
  tunnel_save: [],
  tunnel_up: [],
  tunnel_down: [],
  tunnel_lines: [],
  tunnel_key: [],
  tunnel_host_key: [],
  tunnel_programs: [],
  address_preview: ["reach", "campaigns"],
  routes_get: ["reach", "campaigns", "opens"],
  listener_status: ["reach"],
  listener_start: [],
  listener_stop: [],
  reach_get: ["reach", "opens"],
  reach_probe: [],
  sending_start: [],
  sending_stop: [],
  sending_status: ["campaigns", "contacts"],
  account_list: ["accounts", "campaigns"],
  account_providers: [],
  account_save: [],
  account_remove: [],
  account_test: [],
  account_sign_in: [],
  account_trust: [],
  domain_check: [],
  domain_check_last: ["accounts"],
  mail_check: [],
  contact_list: ["contacts", "lists"],
  contact_get: ["contacts", "lists", "opens"],
  contact_save: [],
  contact_consent_set: [],
  contact_suppress: [],
  contact_erase: [],
  contact_erase_opens: [],
  contact_export: [],
  list_list: ["lists", "contacts"],
  list_save: [],
  list_remove: [],
  import_preview: [],
  import_run: [],
  incoming_run: [],
  campaign_list: ["campaigns", "opens"],
  campaign_get: ["campaigns", "opens"],
  campaign_save: [],
  campaign_create: [],
  campaign_duplicate: [],
  campaign_remove: [],
  campaign_preview: [],
  campaign_test_mail: [],
  document_from_markdown: [],
  campaign_troubles: ["campaigns", "contacts"],
  campaign_retry: [],
  message_resolve: [],
  campaign_follow_up: ["campaigns", "contacts", "lists"],
  campaign_follow_up_prepare: [],
  campaign_follow_up_launch: [],
  campaign_follow_up_discard: [],
  attachment_add: [],
  attachment_list: ["campaigns"],
  attachment_remove: [],
  picture_get: ["campaigns"],
  campaign_prepare: [],
  campaign_unprepare: [],
  campaign_preflight: ["campaigns", "accounts", "contacts", "reach", "settings"],
  campaign_launch: [],
  campaign_sending: ["campaigns", "accounts"],
  campaign_pause: [],
  campaign_resume: [],
  campaign_cancel: [],
  campaign_window_set: [],
  campaign_window_end: [],
  campaign_judge: [],
  label_set: [],
  label_remove: [],
  label_list: ["opens"],
  report_get: ["opens", "campaigns"],
  report_series: ["opens"],
  report_providers: ["opens", "campaigns"],
  report_recipients: ["opens", "campaigns"],
  message_timeline: ["opens", "contacts", "campaigns"],
  message_dialogue: ["campaigns"],
  report_export: [],
  activity_list: ["activity", "opens"],
  outbox_list: ["outbox"],
  outbox_get: ["outbox"],
  outbox_open_as: [],
};
