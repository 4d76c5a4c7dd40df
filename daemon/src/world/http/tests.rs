//! What may be asked, and what the observers say together.

use super::*;

/// Goal: nothing that hands out credentials is ever asked, however it is written (proofs, attacks).
/// Method: every way to write the metadata addresses that is known to have worked against somebody.
#[test]
fn metadata_addresses_are_refused_in_every_spelling() {
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://169.254.170.2/v2/credentials",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://0251.0376.0251.0376/",
        "http://169.254.43518/",
        "http://[fd00:ec2::254]/latest/",
        "http://[fd00:ec2::23]/v1/credentials",
        "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[::169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[fe80::1]/",
        "http://０x7f.1:0@169.254.169.254/",
        "http://user@169.254.169.254/",
        "http://169.254.169.254./",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://224.0.0.1/",
        "http://100.100.100.200/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "ftp://example.com/",
        "not a url",
    ] {
        assert!(allowed(url).is_err(), "{url}");
    }
    for url in ["http://127.0.0.1:8000/health", "https://10.1.2.3/", "https://app.example.com/x"] {
        assert!(allowed(url).is_ok(), "{url}");
    }
}

/// Goal: a name that leads to a forbidden address is not asked either.
/// Method: resolve a literal through the client's own resolver.
#[tokio::test]
async fn a_name_is_judged_by_where_it_leads() {
    use reqwest::dns::Resolve as _;
    let resolve = |name: &str| Resolver.resolve(name.parse().unwrap());
    assert!(resolve("169.254.169.254").await.is_err());
    assert!(resolve("127.0.0.1").await.is_ok());
}
