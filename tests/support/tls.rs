//! TLS for a server: a second port, and a certificate made for this one server.
//!
//! Deliberately absent: certificates of clients, and certificates in files of the repository, which would expire.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::port;
use crate::temporary::TemporaryDir;

#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) port: u16,
    pub(crate) authority: String,
    directory: PathBuf,
}

impl Tls {
    /// Writes the certificates to the directory.
    pub(crate) fn new(directory: &TemporaryDir) -> Self {
        let directory = directory.path().to_owned();
        let (authority, certificate, key) = certificates().expect("certificates can be made");
        for (name, text) in [("authority.pem", &authority), ("certificate.pem", &certificate), ("key.pem", &key)] {
            std::fs::write(directory.join(name), text).expect("a directory of ours can be written to");
        }
        Self { port: port::free(), authority, directory }
    }

    /// What the server is to be started with.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let file = |name: &str| self.directory.join(name).display().to_string();
        let settings = [
            ("--tls-port", self.port.to_string()),
            ("--tls-ca-cert-file", file("authority.pem")),
            ("--tls-cert-file", file("certificate.pem")),
            ("--tls-key-file", file("key.pem")),
            ("--tls-auth-clients", "no".to_owned()),
        ];
        settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}

/// An authority's certificate, one that it signed for the loopback address, and the key of that.
fn certificates() -> Result<(String, String, String), rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
    Ok((authority.pem(), certificate.pem(), key.serialize_pem()))
}
