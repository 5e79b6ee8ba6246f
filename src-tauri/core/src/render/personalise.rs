//! Merge fields: MiniJinja with limited fuel, no loader, no includes, no macros.
//!
//! Every run of text in a mail is a template of its own. It is evaluated once for each reader, to plain text;
//! whoever puts that text into HTML, a header or a link makes it safe there. So no value and no template can
//! break out, whatever filters it went through, and a value is never evaluated again.

use minijinja::value::{Object, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Steps that one run of text may take; with MiniJinja's accounting also about 3 MB that it may make.
const FUEL: u64 = 50_000;

/// Runs of text with merge fields in one mail; with [`FUEL`] a bound on the work for one reader.
const MAX_FIELDS: usize = 2_000;

/// The fields that every reader has, filled or not.
pub const BUILT_IN: [&str; 4] = ["email", "first_name", "last_name", "name"];

/// One reader.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// The address.
    pub email: &'a str,
    /// May be empty.
    pub first_name: &'a str,
    /// May be empty.
    pub last_name: &'a str,
    /// Everything else, by the header of its column.
    pub fields: &'a BTreeMap<String, String>,
}

/// Where in a mail a text stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The block, from 0; `None` for the subject, the preheader and the footer's own lines.
    pub block: Option<u32>,
    /// The part: `subject`, `preheader`, `text`, `link`, `label`, `alt`, `src`.
    pub part: &'static str,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.block {
            Some(block) => write!(f, "block {} ({})", block + 1, self.part),
            None => write!(f, "the {}", self.part),
        }
    }
}

/// Why a mail could not be compiled: syntax, a bad link, a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// The block, from 0; `None` where it concerns the subject, the preheader or the mail as a whole.
    pub block: Option<u32>,
    /// The part: `subject`, `preheader`, `text`, `link`, `label`, `alt`, `src`, `document`.
    pub place: String,
    /// What is wrong and what to do; lower case, no period.
    pub message: String,
}

/// Why a mail could not be rendered for one reader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Fields that this reader has no value for, and that have no fallback.
    #[error(
        "this person has no {}, used in {place}; give it a fallback: {{{{ {} | fallback(\"…\") }}}}",
        .fields.join(" and no "),
        .fields.first().map(String::as_str).unwrap_or_default()
    )]
    Unresolved {
        /// The fields' names; at least one.
        fields: Vec<String>,
        /// Where the first of them stands.
        place: Place,
    },
    /// It would run for too long or make too much text.
    #[error("{place} runs for too long or makes too much text; take out or shorten its loop")]
    Fuel {
        /// Where.
        place: Place,
    },
    /// A link or picture whose address came out wrong for this reader.
    #[error("in {place}, {error}")]
    Link {
        /// Where.
        place: Place,
        /// What is wrong with it.
        error: super::link::LinkError,
    },
    /// Anything else, as MiniJinja says it.
    #[error("{place} could not be filled in: {message}")]
    Evaluation {
        /// Where.
        place: Place,
        /// MiniJinja's words.
        message: String,
    },
}

impl RenderError {
    /// Returns the names of the fields that are missing.
    pub fn unresolved(&self) -> &[String] {
        match self {
            Self::Unresolved { fields, .. } => fields,
            _ => &[],
        }
    }

    /// Returns where it happened.
    pub fn place(&self) -> &Place {
        match self {
            Self::Unresolved { place, .. }
            | Self::Fuel { place }
            | Self::Link { place, .. }
            | Self::Evaluation { place, .. } => place,
        }
    }

    /// Says it without any value of the reader's.
    pub fn without_value(&self) -> String {
        match self {
            Self::Unresolved { .. } | Self::Fuel { .. } => self.to_string(),
            Self::Link { place, error } => format!("in {place}, {}", error.without_value()),
            // MiniJinja may quote what it was given.
            Self::Evaluation { place, .. } => format!("{place} could not be filled in; look at the preview"),
        }
    }
}

/// Returns the name under which a column is reached as a merge field: `Company name` → `company_name`.
///
/// The rule: lower case; every run of anything but letters and digits becomes one `_`; none at either end;
/// a `_` goes before a digit at the head and behind a word that MiniJinja keeps for itself. A header without
/// a letter or digit becomes `field`.
pub fn field_name(header: &str) -> String {
    // Reserved in expressions: such a name could never be reached.
    const KEYWORDS: [&str; 8] = ["and", "else", "false", "if", "in", "is", "none", "not"];
    let mut name = String::with_capacity(header.len());
    for char in header.chars().flat_map(char::to_lowercase) {
        if char.is_alphabetic() || char.is_ascii_digit() {
            name.push(char);
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    while name.ends_with('_') {
        name.pop();
    }
    if name.is_empty() {
        name.push_str("field");
    }
    if name.starts_with(|char: char| char.is_ascii_digit()) {
        name.insert(0, '_');
    }
    if KEYWORDS.contains(&name.as_str()) || name == "or" || name == "true" {
        name.push('_');
    }
    name
}

/// A run of text in a mail; made by [`Texts::add`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextId(usize);

/// All runs of text of a mail, each compiled once.
pub(super) struct Texts {
    environment: Environment<'static>,
    entries: Vec<Entry>,
    dynamic: usize,
    fields: BTreeSet<String>,
    errors: Vec<TemplateError>,
}

struct Entry {
    place: Place,
    form: Form,
}

enum Form {
    /// The same for every reader.
    Plain(String),
    /// By the name of its template, with the fields that it reads.
    Fields { name: String, used: Vec<String> },
}

impl Texts {
    pub(super) fn new() -> Self {
        Self {
            environment: environment(),
            entries: Vec::new(),
            dynamic: 0,
            fields: BTreeSet::new(),
            errors: Vec::new(),
        }
    }

    /// Compiles `source`; an error in it is kept for [`Texts::finish`].
    pub(super) fn add(&mut self, source: &str, place: Place) -> TextId {
        let id = TextId(self.entries.len());
        let form = if ["{{", "{%", "{#"].iter().any(|tag| source.contains(tag)) {
            self.compile(source, &place, id)
        } else {
            Form::Plain(printable(source))
        };
        self.entries.push(Entry { place, form });
        id
    }

    fn compile(&mut self, source: &str, place: &Place, id: TextId) -> Form {
        self.dynamic += 1;
        let name = id.0.to_string();
        let added = self
            .environment
            .add_template_owned(name.clone(), source.to_owned());
        let mut used: Vec<String> = Vec::new();
        match added.and_then(|()| self.environment.get_template(&name)) {
            Ok(template) => {
                used.extend(
                    template
                        .undeclared_variables(false)
                        .into_iter()
                        .filter(|field| !is_function(&self.environment, field)),
                );
                used.sort_unstable();
                self.fields.extend(used.iter().cloned());
            }
            Err(error) => self.errors.push(TemplateError {
                block: place.block,
                place: place.part.to_owned(),
                message: unreadable(place, &error),
            }),
        }
        self.errors.extend(self.probe(&name, &used, place));
        Form::Fields { name, used }
    }

    /// Tries a text with every field filled and with none: MiniJinja finds a misspelt filter, a function that is none
    /// or an endless loop only on the run.
    fn probe(&self, name: &str, used: &[String], place: &Place) -> Option<TemplateError> {
        let template = self.environment.get_template(name).ok()?;
        let filled = used
            .iter()
            .map(|field| (field.clone(), Value::from("x")))
            .collect();
        let message = [filled, BTreeMap::new()].into_iter().find_map(|values| {
            let error = template.render(Value::from_object(Context(values))).err()?;
            match error.kind() {
                ErrorKind::OutOfFuel => Some(RenderError::Fuel { place: place.clone() }.to_string()),
                ErrorKind::UnknownFilter
                | ErrorKind::UnknownFunction
                | ErrorKind::UnknownTest
                | ErrorKind::MissingArgument
                | ErrorKind::TooManyArguments => Some(unreadable(place, &error)),
                // May be the probe's fault: a person's value can be a number, or there at all.
                _ => None,
            }
        })?;
        Some(TemplateError {
            block: place.block,
            place: place.part.to_owned(),
            message,
        })
    }

    /// Ends compiling.
    pub(super) fn finish(mut self) -> Result<Self, Vec<TemplateError>> {
        if self.dynamic > MAX_FIELDS {
            self.errors.push(TemplateError {
                block: None,
                place: "document".to_owned(),
                message: format!(
                    "the mail has {} runs of text with merge fields; it may have {MAX_FIELDS}",
                    self.dynamic
                ),
            });
        }
        if self.errors.is_empty() {
            Ok(self)
        } else {
            Err(self.errors)
        }
    }

    /// Returns the fields that the mail reads.
    pub(super) fn fields(&self) -> &BTreeSet<String> {
        &self.fields
    }

    /// Returns where a text stands.
    pub(super) fn place(&self, id: TextId) -> &Place {
        &self.entries[id.0].place
    }

    /// Returns a text that is the same for every reader.
    pub(super) fn plain(&self, id: TextId) -> Option<&str> {
        match &self.entries[id.0].form {
            Form::Plain(text) => Some(text),
            Form::Fields { .. } => None,
        }
    }

    /// Evaluates every text for one reader.
    pub(super) fn evaluate(&self, person: &Person) -> Result<Evaluated<'_>, RenderError> {
        let mut values: BTreeMap<&str, Value> = BTreeMap::new();
        for field in &self.fields {
            if let Some(text) = lookup(person, field) {
                values.insert(field, Value::from(text));
            }
        }
        let context = Value::from_object(Context(
            values
                .iter()
                .map(|(field, value)| ((*field).to_owned(), value.clone()))
                .collect(),
        ));
        let mut filled = Vec::with_capacity(self.dynamic);
        for (index, entry) in self.entries.iter().enumerate() {
            let Form::Fields { name, used } = &entry.form else {
                continue;
            };
            let template = self
                .environment
                .get_template(name)
                .expect("every text with fields was compiled under its name");
            match template.render(context.clone()) {
                Ok(text) => filled.push((index, printable(&text))),
                Err(error) => return Err(self.explain(&error, entry, used, &values)),
            }
        }
        Ok(Evaluated { texts: self, filled })
    }

    fn explain(
        &self,
        error: &minijinja::Error,
        entry: &Entry,
        used: &[String],
        values: &BTreeMap<&str, Value>,
    ) -> RenderError {
        let place = entry.place.clone();
        match error.kind() {
            ErrorKind::OutOfFuel => RenderError::Fuel { place },
            ErrorKind::UndefinedError => {
                let fields = self.blame(entry, used, values);
                if fields.is_empty() {
                    let message = words(error);
                    return RenderError::Evaluation { place, message };
                }
                RenderError::Unresolved { fields, place }
            }
            _ => RenderError::Evaluation {
                place,
                message: words(error),
            },
        }
    }

    /// Finds which missing fields are to blame: those without which the text still fails when all others are there.
    ///
    /// A field that is missing but has a fallback is none of them.
    fn blame(&self, entry: &Entry, used: &[String], values: &BTreeMap<&str, Value>) -> Vec<String> {
        let Form::Fields { name, .. } = &entry.form else {
            return Vec::new();
        };
        let Ok(template) = self.environment.get_template(name) else {
            return Vec::new();
        };
        let missing = || used.iter().filter(|field| !values.contains_key(field.as_str()));
        let filler = Value::from("x");
        missing()
            .filter(|suspect| {
                let others = used.iter().filter(|field| field != suspect);
                let context = Value::from_object(Context(
                    others
                        .map(|field| {
                            (
                                field.clone(),
                                values.get(field.as_str()).unwrap_or(&filler).clone(),
                            )
                        })
                        .collect(),
                ));
                matches!(template.render(context), Err(error) if error.kind() == ErrorKind::UndefinedError)
            })
            .cloned()
            .collect()
    }
}

/// The texts of a mail as one reader gets them: plain text, without control characters but `\n` and `\t`.
pub(super) struct Evaluated<'a> {
    texts: &'a Texts,
    filled: Vec<(usize, String)>,
}

impl Evaluated<'_> {
    pub(super) fn get(&self, id: TextId) -> &str {
        match &self.texts.entries[id.0].form {
            Form::Plain(text) => text,
            Form::Fields { .. } => {
                let at = self
                    .filled
                    .binary_search_by_key(&id.0, |(index, _)| *index)
                    .expect("every text with fields was evaluated");
                &self.filled[at].1
            }
        }
    }

    pub(super) fn place(&self, id: TextId) -> &Place {
        self.texts.place(id)
    }
}

/// The fields of one reader, as MiniJinja looks them up.
#[derive(Debug)]
struct Context(BTreeMap<String, Value>);

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).cloned()
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    // Printing nothing where a name should stand is the mistake that readers see; `{% if city %}` stays possible.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    // Escaping belongs to whoever places the text: see the head of this file.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.add_filter("fallback", fallback);
    environment
}

/// Gives `instead` where `value` is missing or has nothing but blanks.
fn fallback(value: &Value, instead: Value) -> Value {
    let is_empty =
        value.is_undefined() || value.is_none() || value.as_str().is_some_and(|text| text.trim().is_empty());
    if is_empty { instead } else { value.clone() }
}

fn is_function(environment: &Environment, name: &str) -> bool {
    environment.globals().any(|(global, _)| global == name)
}

/// Tells whether a reader has a value for `field` that is not empty.
pub(super) fn has_value(person: &Person, field: &str) -> bool {
    lookup(person, field).is_some()
}

/// Returns a reader's value for `field`; `None` where it is missing or empty, which is the same to a reader.
fn lookup(person: &Person, field: &str) -> Option<String> {
    let built_in = match field {
        "email" => person.email.to_owned(),
        "first_name" => person.first_name.trim().to_owned(),
        "last_name" => person.last_name.trim().to_owned(),
        "name" => format!("{} {}", person.first_name.trim(), person.last_name.trim())
            .trim()
            .to_owned(),
        _ => String::new(),
    };
    if !built_in.is_empty() {
        return Some(built_in);
    }
    person
        .fields
        .get(field)
        .filter(|value| !value.trim().is_empty())
        .or_else(|| {
            person
                .fields
                .iter()
                .find(|(header, value)| !value.trim().is_empty() && field_name(header) == field)
                .map(|(_, value)| value)
        })
        .cloned()
}

/// Takes out control characters but `\n` and `\t`: a NUL may stand in neither HTML nor mail.
fn printable(text: &str) -> String {
    if !text
        .chars()
        .any(|char| char.is_control() && char != '\n' && char != '\t')
    {
        return text.to_owned();
    }
    text.replace("\r\n", "\n")
        .chars()
        .filter(|char| !char.is_control() || matches!(char, '\n' | '\t'))
        .collect()
}

fn unreadable(place: &Place, error: &minijinja::Error) -> String {
    format!("a merge field in {place} cannot be read: {}", words(error))
}

/// Returns MiniJinja's words without the name of the template, which means nothing to the author.
fn words(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests;
