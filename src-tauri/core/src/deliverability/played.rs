//! Names out of a table, for the tests of the checks.

use super::{NameError, Names};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Answers from a table, and counts what was asked.
#[derive(Default)]
pub(crate) struct Played {
    txt: BTreeMap<String, Result<Vec<String>, NameError>>,
    mx: BTreeMap<String, Vec<(u16, String)>>,
    addresses: BTreeMap<String, Vec<IpAddr>>,
    names: BTreeMap<IpAddr, Vec<String>>,
    pub(crate) asked: RefCell<Vec<String>>,
}

impl Played {
    pub(crate) fn txt(mut self, name: &str, records: &[&str]) -> Self {
        let records = records.iter().map(|record| (*record).to_owned()).collect();
        self.txt.insert(name.to_owned(), Ok(records));
        self
    }

    pub(crate) fn fails(mut self, name: &str, error: NameError) -> Self {
        self.txt.insert(name.to_owned(), Err(error));
        self
    }

    pub(crate) fn mx(mut self, name: &str, hosts: &[&str]) -> Self {
        let hosts = hosts.iter().map(|host| (10, (*host).to_owned())).collect();
        self.mx.insert(name.to_owned(), hosts);
        self
    }

    pub(crate) fn host(mut self, name: &str, address: &str) -> Self {
        self.addresses
            .entry(name.to_owned())
            .or_default()
            .push(address.parse().unwrap());
        self
    }

    pub(crate) fn ptr(mut self, address: &str, name: &str) -> Self {
        self.names
            .entry(address.parse().unwrap())
            .or_default()
            .push(name.to_owned());
        self
    }
}

impl Names for Played {
    fn txt(&self, name: &str) -> Result<Vec<String>, NameError> {
        self.asked.borrow_mut().push(name.to_owned());
        self.txt.get(name).cloned().unwrap_or(Err(NameError::NoSuchName))
    }

    fn mx(&self, name: &str) -> Result<Vec<(u16, String)>, NameError> {
        self.mx.get(name).cloned().ok_or(NameError::NoRecord)
    }

    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NameError> {
        self.addresses.get(host).cloned().ok_or(NameError::NoSuchName)
    }

    fn names_of(&self, address: IpAddr) -> Result<Vec<String>, NameError> {
        self.names.get(&address).cloned().ok_or(NameError::NoSuchName)
    }
}
