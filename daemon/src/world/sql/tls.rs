//! How sure the other end of a connection must be. Plain text, and a server that nobody vouches for,
//! are for loopback only, whatever a file says.

use std::sync::Arc;

use muster_runbooks::application::sql::SslMode;
use muster_state::call::CallError;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Target;

/// What makes the connection to a target safe; `None` for plain text.
pub(super) fn connector(target: &Target) -> Result<Option<MakeRustlsConnect>, CallError> {
    let is_near = target.address.is_loopback();
    let config = match (target.sslmode, &target.ca_file) {
        (SslMode::Disable, _) if is_near => return Ok(None),
        (SslMode::VerifyFull | SslMode::Require, Some(file)) => verified(target, file)?,
        (SslMode::Require, None) if is_near => unverified(target)?,
        (SslMode::Disable, _) => return Err(insecure(target, "plain text is for loopback only")),
        (SslMode::VerifyFull | SslMode::Require, None) => {
            return Err(insecure(target, "without `ca_file` nobody vouches for the server"));
        }
    };
    Ok(Some(MakeRustlsConnect::new(config)))
}

fn insecure(target: &Target, why: &str) -> CallError {
    CallError::Refused {
        service: target.service(),
        operation: super::CONNECT,
        code: "NotSecure".to_owned(),
        message: format!("`sslmode: {}` to `{}`: {why}", target.sslmode, target.address.host),
    }
}

/// Name and authority are checked.
fn verified(target: &Target, file: &str) -> Result<ClientConfig, CallError> {
    let unreadable = |why: String| insecure(target, &format!("`{file}`: {why}"));
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(file).map_err(|why| unreadable(why.to_string()))?;
    for certificate in found {
        let certificate = certificate.map_err(|why| unreadable(why.to_string()))?;
        roots.add(certificate).map_err(|why| unreadable(why.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unreadable("it holds no certificate".to_owned()));
    }
    let builder =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|why| insecure(target, &why.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn unverified(target: &Target) -> Result<ClientConfig, CallError> {
    let builder =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|why| insecure(target, &why.to_string()))?;
    let anybody = Arc::new(Anybody(provider()));
    Ok(builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth())
}

/// The one provider of the process; a test has none installed.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()))
}

/// Takes any certificate: on loopback there is nobody in between.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
