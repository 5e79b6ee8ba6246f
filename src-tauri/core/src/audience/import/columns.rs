//! Which column is what, and a row as a person.

use super::Row;
use crate::domain::contact::{AddressError, EmailAddress, Person, PersonError};
use crate::render::personalise::field_name;
use std::collections::{BTreeMap, BTreeSet};

/// Headers of address columns, in the form of [`words`].
const EMAIL: &[&str] = &[
    "email",
    "e mail",
    "mail",
    "email address",
    "e mail address",
    "mail address",
    "emailadresse",
    "email adresse",
    "e mail adresse",
    "mailadresse",
    "adresse email",
    "adresse e mail",
    "adresse mail",
    "adresse electronique",
    "courriel",
    "mel",
    "correo",
    "correo electronico",
    "indirizzo email",
    "posta elettronica",
    "e post",
    "epost",
    "e mailadres",
    "emailadres",
    "subscriber email",
    "primary email",
    "email 1 value",
    "e mail 1 value",
];
const FIRST_NAME: &[&str] = &[
    "first name",
    "firstname",
    "first",
    "fname",
    "given name",
    "givenname",
    "forename",
    "vorname",
    "prenom",
    "nombre",
    "nombre de pila",
    "nome",
    "voornaam",
    "fornamn",
    "fornavn",
    "etunimi",
    "imie",
    "jmeno",
];
const LAST_NAME: &[&str] = &[
    "last name",
    "lastname",
    "last",
    "lname",
    "surname",
    "family name",
    "familyname",
    "nachname",
    "familienname",
    "zuname",
    "nom de famille",
    "apellido",
    "apellidos",
    "cognome",
    "achternaam",
    "efternamn",
    "etternavn",
    "efternavn",
    "sukunimi",
    "nazwisko",
    "prijmeni",
];
/// Last names only beside a column of first names: alone they hold the whole name.
const PERHAPS_LAST_NAME: &[&str] = &["name", "nom"];

/// Where a column goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nowhere.
    Skip,
    /// The address.
    Email,
    /// The first name.
    FirstName,
    /// The last name.
    LastName,
    /// A field of this merge name.
    Field(String),
}

impl Target {
    /// Returns the form in which a target crosses: `email`, a field's name, `""`.
    pub fn as_text(&self) -> &str {
        match self {
            Self::Skip => "",
            Self::Email => "email",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Field(name) => name,
        }
    }

    fn parse(text: &str) -> Self {
        match text.trim() {
            "" => Self::Skip,
            "email" => Self::Email,
            "first_name" => Self::FirstName,
            "last_name" => Self::LastName,
            name => Self::Field(field_name(name)),
        }
    }
}

/// Why the columns of a file cannot be used as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// Nobody could be written to.
    #[error("no column of {name} holds mail addresses; its columns are {columns}; say which one it is")]
    NoEmail {
        /// The file.
        name: String,
        /// Its headers, shortened.
        columns: String,
    },
    /// The first line is a person.
    #[error(
        "the first line of {name} is a person ({address}), not headers; put a line with the columns' names above it, such as email,first name,last name"
    )]
    NoHeaders {
        /// The file.
        name: String,
        /// What stands where a header should.
        address: String,
    },
    /// Two columns go to one place.
    #[error("the columns {first:?} and {second:?} both go to {target}; leave one of them out")]
    Twice {
        /// One.
        first: String,
        /// The other.
        second: String,
        /// Where to.
        target: String,
    },
    /// The map names a column that is not there.
    #[error("{name} has no column {column:?}; its columns are {columns}")]
    Missing {
        /// The file.
        name: String,
        /// The column.
        column: String,
        /// Its headers, shortened.
        columns: String,
    },
    /// More than a contact can hold.
    #[error("{found} columns of {name} would become fields; a contact has at most {}, so leave {} of them out", Person::FIELDS, found - Person::FIELDS)]
    TooManyFields {
        /// The file.
        name: String,
        /// How many.
        found: usize,
    },
}

/// Guesses what each column is, by its header and the first rows below it.
pub(super) fn guess(headers: &[String], rows: &[Row]) -> Vec<Target> {
    let named: Vec<String> = headers.iter().map(|header| words(header)).collect();
    let find = |names: &[&str]| {
        // In the names' order: a column "email" is meant before a column "mail".
        names
            .iter()
            .find_map(|name| named.iter().position(|header| header == name))
    };
    let email = find(EMAIL).or_else(|| addresses_in(headers.len(), rows));
    let first = find(FIRST_NAME);
    let last = find(LAST_NAME).or_else(|| first.and_then(|_| find(PERHAPS_LAST_NAME)));
    let mut taken: BTreeSet<String> = BTreeSet::new();
    (0..headers.len())
        .map(|index| {
            if Some(index) == email {
                Target::Email
            } else if Some(index) == first {
                Target::FirstName
            } else if Some(index) == last {
                Target::LastName
            } else {
                field_target(index, &headers[index], rows, &mut taken)
            }
        })
        .collect()
}

fn field_target(index: usize, header: &str, rows: &[Row], taken: &mut BTreeSet<String>) -> Target {
    if header.is_empty() && rows.iter().all(|row| row.cell(index).trim().is_empty()) {
        return Target::Skip;
    }
    let base = match header {
        "" => format!("column_{}", index + 1),
        header => field_name(header),
    };
    let mut name = base.clone();
    let mut n = 2;
    while !Person::is_field_name(&name) || !taken.insert(name.clone()) {
        name = format!("{}_{n}", base.chars().take(40).collect::<String>());
        n += 1;
    }
    Target::Field(name)
}

/// Finds the column whose values are addresses, whatever its header is.
fn addresses_in(columns: usize, rows: &[Row]) -> Option<usize> {
    (0..columns).find(|index| {
        let values: Vec<&str> = rows
            .iter()
            .map(|row| row.cell(*index).trim())
            .filter(|value| !value.is_empty())
            .collect();
        let addresses = values
            .iter()
            .filter(|value| value.parse::<EmailAddress>().is_ok())
            .count();
        !values.is_empty() && addresses * 10 >= values.len() * 8
    })
}

/// Returns a header as words to compare: lower case, without accents, punctuation as spaces.
fn words(header: &str) -> String {
    let plain: String = header
        .to_lowercase()
        .chars()
        .map(|letter| match letter {
            'à' | 'á' | 'â' | 'ä' | 'ã' | 'å' => 'a',
            'è' | 'é' | 'ê' | 'ë' | 'ę' => 'e',
            'ì' | 'í' | 'î' | 'ï' => 'i',
            'ò' | 'ó' | 'ô' | 'ö' | 'õ' | 'ø' => 'o',
            'ù' | 'ú' | 'û' | 'ü' => 'u',
            'ř' => 'r',
            letter if letter.is_alphanumeric() => letter,
            _ => ' ',
        })
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where each column goes, checked.
#[derive(Debug, Clone)]
pub struct Columns {
    headers: Vec<String>,
    targets: Vec<Target>,
}

/// Why a row gives no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The column to blame, by its header; empty where it is the row itself.
    pub column: String,
    /// A sentence without its period.
    pub message: String,
    /// What stood there.
    pub value: String,
}

impl Columns {
    /// Puts together the guess and what the user said, by header.
    pub(super) fn new(
        name: &str,
        headers: &[String],
        guess: Vec<Target>,
        map: &BTreeMap<String, String>,
    ) -> Result<Self, MapError> {
        let mut targets = guess;
        for (column, field) in map {
            let wanted = column.trim();
            let index = headers
                .iter()
                .position(|header| header == wanted)
                .or_else(|| headers.iter().position(|header| words(header) == words(wanted)))
                .ok_or_else(|| MapError::Missing {
                    name: name.to_owned(),
                    column: wanted.to_owned(),
                    columns: enumerate(headers),
                })?;
            let target = Target::parse(field);
            // What the user says takes a place from what was guessed.
            for (other, held) in targets.iter_mut().enumerate() {
                let is_said = map.keys().any(|said| words(said) == words(&headers[other]));
                if *held == target && other != index && !is_said {
                    *held = Target::Skip;
                }
            }
            targets[index] = target;
        }
        let columns = Self {
            headers: headers.to_vec(),
            targets,
        };
        columns.check(name)?;
        Ok(columns)
    }

    fn check(&self, name: &str) -> Result<(), MapError> {
        for (index, target) in self.targets.iter().enumerate() {
            if *target == Target::Skip {
                continue;
            }
            if let Some(before) = self.targets[..index].iter().position(|other| other == target) {
                return Err(MapError::Twice {
                    first: self.headers[before].clone(),
                    second: self.headers[index].clone(),
                    target: target.as_text().to_owned(),
                });
            }
        }
        let address = self
            .headers
            .iter()
            .find(|header| header.parse::<EmailAddress>().is_ok());
        if let Some(address) = address {
            return Err(MapError::NoHeaders {
                name: name.to_owned(),
                address: address.clone(),
            });
        }
        if !self.targets.contains(&Target::Email) {
            return Err(MapError::NoEmail {
                name: name.to_owned(),
                columns: enumerate(&self.headers),
            });
        }
        let is_field = |target: &&Target| matches!(target, Target::Field(_));
        let found = self.targets.iter().filter(is_field).count();
        if found > Person::FIELDS {
            return Err(MapError::TooManyFields {
                name: name.to_owned(),
                found,
            });
        }
        Ok(())
    }

    /// Makes a row into a person, or says what is wrong with it.
    pub fn person(&self, row: &Row) -> Result<Person, Rejected> {
        self.check_shape(row)?;
        let (mut address, mut address_column) = ("", 0);
        let (mut first_name, mut last_name) = ("", "");
        let mut fields = BTreeMap::new();
        for (index, target) in self.targets.iter().enumerate() {
            let value = row.cell(index);
            match target {
                Target::Skip => {}
                Target::Email => (address, address_column) = (value, index),
                Target::FirstName => first_name = value,
                Target::LastName => last_name = value,
                Target::Field(name) => {
                    if !value.trim().is_empty() {
                        fields.insert(name.clone(), value.to_owned());
                    }
                }
            }
        }
        let email = address
            .trim()
            .parse::<EmailAddress>()
            .map_err(|error| self.reject(address_column, &address_message(&error, address), address))?;
        Person::new(email, first_name, last_name, fields).map_err(|error| {
            let index = self.column_of(&error, row);
            self.reject(index, &error.to_string(), row.cell(index))
        })
    }

    /// Refuses rows with values beyond the last header; missing values at the end are empty.
    fn check_shape(&self, row: &Row) -> Result<(), Rejected> {
        let width = self.headers.len();
        if (width..row.len()).all(|index| row.cell(index).trim().is_empty()) {
            return Ok(());
        }
        Err(Rejected {
            column: String::new(),
            message: format!("the row has {} columns and the header has {width}", row.len()),
            value: row.cell(width).to_owned(),
        })
    }

    fn column_of(&self, error: &PersonError, row: &Row) -> usize {
        let by_target = |wanted: &Target| self.targets.iter().position(|target| target == wanted);
        let is_bad = |index: usize| {
            let value = row.cell(index).trim();
            value.chars().any(char::is_control) || value.chars().count() > Person::NAME_CHARS
        };
        match error {
            PersonError::NameTooLong | PersonError::NameControlCharacter => by_target(&Target::FirstName)
                .filter(|index| is_bad(*index))
                .or_else(|| by_target(&Target::LastName)),
            PersonError::ValueTooLong(name)
            | PersonError::ValueControlCharacter(name)
            | PersonError::FieldName(name) => by_target(&Target::Field(name.clone())),
            PersonError::TooManyFields(_) => None,
        }
        .unwrap_or(0)
    }

    fn reject(&self, index: usize, message: &str, value: &str) -> Rejected {
        Rejected {
            column: self.headers.get(index).cloned().unwrap_or_default(),
            message: message.to_owned(),
            value: value.to_owned(),
        }
    }
}

fn address_message(error: &AddressError, value: &str) -> String {
    let others = value.matches('@').count();
    match error {
        AddressError::ControlCharacter if value.contains('\0') => {
            "the address contains a NUL character".to_owned()
        }
        AddressError::Syntax(_) if others > 1 => {
            "there is more than one address; give each its own row".to_owned()
        }
        error => error.to_string(),
    }
}

/// Returns the first headers for a sentence.
fn enumerate(headers: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<String> = headers
        .iter()
        .take(SHOWN)
        .map(|header| format!("{:?}", header.chars().take(40).collect::<String>()))
        .collect();
    match headers.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(headers: &[&str]) -> Vec<String> {
        let headers: Vec<String> = headers.iter().map(|header| header.to_string()).collect();
        guess(&headers, &[])
            .iter()
            .map(|target| target.as_text().to_owned())
            .collect()
    }

    fn mapped(headers: &[&str], map: &[(&str, &str)]) -> Result<Vec<String>, MapError> {
        let headers: Vec<String> = headers.iter().map(|header| header.to_string()).collect();
        let map = map
            .iter()
            .map(|(column, field)| (column.to_string(), field.to_string()))
            .collect();
        let columns = Columns::new("a.csv", &headers, guess(&headers, &[]), &map)?;
        Ok(columns
            .targets
            .iter()
            .map(|target| target.as_text().to_owned())
            .collect())
    }

    #[test]
    fn columns_are_known_by_their_headers_in_several_languages() {
        for (headers, fields) in [
            (
                &["Email", "First Name", "Last Name"],
                ["email", "first_name", "last_name"],
            ),
            (
                &["Vorname", "Name", "E-Mail-Adresse"],
                ["first_name", "last_name", "email"],
            ),
            (
                &["Prénom", "Nom", "Courriel"],
                ["first_name", "last_name", "email"],
            ),
            (
                &["Apellidos", "Nombre", "Correo electrónico"],
                ["last_name", "first_name", "email"],
            ),
            (
                &["EMAIL ADDRESS", "fname", "LNAME"],
                ["email", "first_name", "last_name"],
            ),
            (&["mail", "e_mail", "Name"], ["mail", "email", "name"]),
        ] {
            assert_eq!(guessed(headers), fields, "{headers:?}");
        }
    }

    #[test]
    fn other_columns_become_fields_with_names_that_a_mail_can_use() {
        let fields = guessed(&[
            "email",
            "Company name",
            "company-name",
            "First name",
            "firstname",
            "",
        ]);
        assert_eq!(
            fields,
            [
                "email",
                "company_name",
                "company_name_2",
                "first_name",
                "firstname",
                ""
            ]
        );
    }

    #[test]
    fn what_the_user_says_wins_over_the_guess() {
        assert_eq!(
            mapped(
                &["email", "work mail", "Town"],
                &[("work mail", "email"), ("town", "")]
            )
            .unwrap(),
            ["", "email", ""]
        );
        let twice = mapped(&["email", "other"], &[("email", "email"), ("other", "email")]).unwrap_err();
        assert!(matches!(twice, MapError::Twice { .. }), "{twice}");
        let missing = mapped(&["email"], &[("Mail", "email")]).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "a.csv has no column \"Mail\"; its columns are \"email\""
        );
    }

    #[test]
    fn a_file_without_addresses_or_headers_says_so() {
        let error = mapped(&["Town", "Age"], &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no column of a.csv holds mail addresses; its columns are \"Town\", \"Age\"; say which one it is"
        );
        let error = mapped(&["ana@example.org", "Ana"], &[]).unwrap_err();
        assert!(matches!(error, MapError::NoHeaders { .. }), "{error}");
    }

    #[test]
    fn two_hundred_columns_are_refused_with_the_number_to_leave_out() {
        let headers: Vec<String> = (0..200)
            .map(|n| if n == 0 { "email".into() } else { format!("c{n}") })
            .collect();
        let error = Columns::new("a.csv", &headers, guess(&headers, &[]), &BTreeMap::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "199 columns of a.csv would become fields; a contact has at most 100, so leave 99 of them out"
        );
    }
}
