//! What is read out of a page, and what is refused.

use std::fmt::Write as _;

use proptest::prelude::*;
use quick_xml::{Reader, events::Event};

use super::*;
use crate::compare::judge::What;

/// One version as a test writes it: key, id, size and tag of an object, and whether it is the latest.
type Row = (String, String, Option<(i64, String)>, bool);

fn begin() -> Marker {
    Marker::default()
}

fn decode_in(pieces: &[&[u8]], after: &Marker) -> Result<Page, Flaw> {
    let mut decoder = Decoder::new(10);
    for piece in pieces {
        decoder.feed(piece)?;
    }
    decoder.finish(after)
}

fn decoded(text: &str) -> Result<Page, Flaw> {
    decode_in(&[text.as_bytes()], &begin())
}

fn rows(page: &Page) -> Vec<Row> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let row = |place| {
        let version = page.version(place).expect("it is there");
        let object = match version.what {
            What::Object { size, etag } => Some((size, text(etag))),
            What::DeleteMarker => None,
        };
        (text(page.key(place).expect("it is there")), text(version.id), object, version.is_latest)
    };
    (0..page.len()).map(row).collect()
}

fn page_of(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListVersionsResult \
         xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inside}</ListVersionsResult>"
    )
}

fn version(key: &str) -> String {
    format!(
        "<Version><ETag>&quot;e&quot;</ETag><Key>{key}</Key><VersionId>v</VersionId>\
         <IsLatest>true</IsLatest><Size>1</Size></Version>"
    )
}

/// A page as AWS writes it.
const AWS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<ListVersionsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix></Prefix>\
<KeyMarker/><VersionIdMarker></VersionIdMarker><NextKeyMarker>b%2B+c</NextKeyMarker>\
<NextVersionIdMarker>n&amp;1</NextVersionIdMarker><MaxKeys>3</MaxKeys><EncodingType>url</EncodingType>\
<IsTruncated>true</IsTruncated>\
<Version><Key>a%20x</Key><VersionId>3/L4</VersionId><IsLatest>false</IsLatest>\
<LastModified>2026-03-01T02:00:00.000Z</LastModified><ETag>&quot;fba9&quot;</ETag>\
<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>\
<Size>434234</Size><Owner><ID>75aa</ID><DisplayName>x</DisplayName></Owner>\
<StorageClass>STANDARD</StorageClass></Version>\
<DeleteMarker><Key>b</Key><VersionId>d1</VersionId><IsLatest>true</IsLatest>\
<LastModified>2026-03-01T03:00:00Z</LastModified><Owner><ID>75aa</ID></Owner></DeleteMarker>\
<Version><Key>b%2B+c</Key><IsLatest>true</IsLatest><ETag>\"k\"</ETag><Size>0</Size></Version>\
</ListVersionsResult>";

/// Goal: a page of AWS is read as it is meant: encoded keys, tags without quotes, a version that says
/// no id, where it goes on, and when each was written.
#[test]
fn a_page_of_aws() {
    let page = decoded(AWS).expect("a page");
    let object = |size, tag: &str| Some((size, tag.to_owned()));
    assert_eq!(
        rows(&page),
        [
            ("a x".to_owned(), "3/L4".to_owned(), object(434_234, "fba9"), false),
            ("b".to_owned(), "d1".to_owned(), None, true),
            ("b+ c".to_owned(), "null".to_owned(), object(0, "k"), true),
        ]
    );
    let next = page.next.as_ref().expect("it goes on");
    assert_eq!((next.key.as_str(), next.version.as_deref()), ("b+ c", Some("n&1")));
    let when = |place| page.version(place).expect("it is there").modified_ms;
    assert_eq!([when(0), when(1), when(2)], [1_772_330_400_000, 1_772_334_000_000, i64::MAX]);
}

/// Goal: a body may come in any pieces.
/// Method: cut a page at every byte, and into single bytes.
#[test]
fn any_pieces_make_the_same_page() {
    let whole = rows(&decoded(AWS).expect("a page"));
    for cut in 0..AWS.len() {
        let (one, other) = AWS.as_bytes().split_at(cut);
        assert_eq!(rows(&decode_in(&[one, other], &begin()).expect("a page")), whole, "{cut}");
    }
    let bytes: Vec<&[u8]> = AWS.as_bytes().chunks(1).collect();
    assert_eq!(rows(&decode_in(&bytes, &begin()).expect("a page")), whole);
}

/// Goal: a body that ends early is never a shorter page.
#[test]
fn a_cut_body_is_no_page() {
    for end in 0..AWS.len() {
        let page = decode_in(&[&AWS.as_bytes()[..end]], &begin());
        assert_eq!(page.expect_err("no page"), Flaw::Cut, "{end}");
    }
}

/// Goal: what is not understood is refused, with the reason.
#[test]
fn what_cannot_be_trusted_is_refused() {
    let good = version("a");
    let table = [
        ("<Error><Code>InternalError</Code></Error>".to_owned(), "no list that S3 writes"),
        ("<html><body>hello</body></html>".to_owned(), "no list that S3 writes"),
        (page_of(&format!("<!-- x -->{good}")), "no list that S3 writes"),
        (page_of(&good.replace("<Size>1</Size>", "<Size>1</Size><Size")), "no list that S3 writes"),
        (page_of(&good.replace("</Key>", "</Kex>")), "no list that S3 writes"),
        (page_of(&good.replace("<Size>1", "<Size>one")), "no list that S3 writes"),
        (page_of(&good.replace("<Size>1</Size>", "")), "an object of its list has no size"),
        (page_of(&good.replace("<Key>a</Key>", "")), "an entry of its list has no key"),
        (page_of(&good.replace("<Key>a", "<Key>&nbsp;a")), "no list that S3 writes"),
        (page_of(&good.replace("<Key>a", "<Key>a</Key><Key>b")), "no list that S3 writes"),
        (page_of(&format!("loose{good}")), "no list that S3 writes"),
        (page_of(&format!("<Owner><ID></Owner></ID>{good}")), "no list that S3 writes"),
        (page_of("<x a=\">\"/>"), "no list that S3 writes"),
        (page_of(&(version("b") + &good)), "its list is not in the order of keys"),
        (page_of("<IsTruncated>true</IsTruncated>"), "goes on and does not say where"),
        (
            page_of(&format!("<EncodingType>url</EncodingType>{}", version("a%2"))),
            "a key of its list is badly encoded",
        ),
        (
            page_of(&format!("<EncodingType>url</EncodingType>{}", version("a%FF"))),
            "a key of its list is no UTF-8",
        ),
        (format!("{}<more/>", page_of(&good)), "no list that S3 writes"),
    ];
    for (text, reason) in table {
        match decoded(&text).expect_err(&text) {
            Flaw::Malformed(what) => assert!(what.contains(reason), "{text}: {what}"),
            Flaw::Cut => panic!("{text}: cut"),
        }
    }
}

/// Goal: a page that begins before its marker, or a marker that stands still, is an error.
#[test]
fn a_token_must_move_on() {
    let more = "<IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker>";
    let at = |key: &str| Marker { key: key.to_owned(), version: None };
    let page = |text: String, after: &str| decode_in(&[page_of(&text).as_bytes()], &at(after));
    assert!(page(version("b"), "a").is_ok());
    let why = page(version("a"), "a").expect_err("again");
    assert_eq!(why, Flaw::Malformed("its list is not in the order of keys"));
    let why = page(more.to_owned(), "a").expect_err("it stands");
    assert_eq!(why, Flaw::Malformed("its list does not move on: a page token repeats"));
    assert!(page(format!("{more}{}", version("0a")), "0").is_ok());
}

/// Goal: a body without an end does not fill the memory.
#[test]
fn a_token_without_end_is_refused() {
    let mut decoder = Decoder::new(1);
    let piece = vec![b'a'; 4096];
    let refused = (0..100).find_map(|_| decoder.feed(&piece).err());
    assert_eq!(refused, Some(NOT_PLAIN));
}

/// The same page by a general reader.
fn by_quick_xml(text: &str) -> Vec<Row> {
    let mut reader = Reader::from_str(text);
    let mut rows: Vec<Row> = Vec::new();
    let (mut path, mut said) = (Vec::new(), String::new());
    let mut row = Row::default();
    loop {
        match reader.read_event().expect("XML") {
            Event::Start(start) => {
                said.clear();
                path.push(start.name().as_ref().to_owned());
                if path.len() == 2 {
                    row = (String::new(), String::new(), Some((0, String::new())), false);
                }
            }
            Event::Text(piece) => said.push_str(&piece),
            Event::GeneralRef(name) => said.push_str(match &*name {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "quot" => "\"",
                _ => "'",
            }),
            Event::End(_) => {
                let name = path.pop().expect("it was open");
                match (path.len(), name.as_str()) {
                    (2, "Key") => {
                        let plain = said.replace('+', " ");
                        let plain = percent_encoding::percent_decode_str(&plain);
                        row.0 = plain.decode_utf8().expect("UTF-8").into_owned();
                    }
                    (2, "VersionId") => row.1 = said.clone(),
                    (2, "IsLatest") => row.3 = said == "true",
                    (2, "Size") => {
                        row.2.as_mut().expect("an object").0 = said.parse().expect("a size");
                    }
                    (2, "ETag") => {
                        row.2.as_mut().expect("an object").1 = said.trim_matches('"').to_owned();
                    }
                    (1, "Version") => rows.push(std::mem::take(&mut row)),
                    (1, "DeleteMarker") => {
                        row.2 = None;
                        rows.push(std::mem::take(&mut row));
                    }
                    _ => {}
                }
            }
            Event::Eof => return rows,
            Event::Empty(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => {}
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&apos;")
}

fn form(key: &str) -> String {
    let set = percent_encoding::NON_ALPHANUMERIC;
    percent_encoding::utf8_percent_encode(key, set).to_string().replace("%20", "+")
}

proptest! {
    /// Goal: our reader reads what a general one reads.
    /// Method: any keys, versions and tags, in any pieces, and whitespace between them.
    #[test]
    fn it_reads_what_a_general_reader_reads(
        rows_in in proptest::collection::btree_map(
            "\\PC{1,12}",
            ("[a-zA-Z0-9._/&<>-]{1,12}", any::<u32>(), "[0-9a-f-]{1,12}", any::<bool>(), any::<bool>()),
            0..12,
        ),
        piece in 1_usize..80,
        space in "[ \n]{0,2}",
    ) {
        let mut inside = format!("{space}<EncodingType>url</EncodingType>{space}");
        for (key, (id, size, tag, is_object, is_latest)) in &rows_in {
            let (key, id) = (form(key), escaped(id));
            let common = format!("<Key>{key}</Key>{space}<VersionId>{id}</VersionId>\
                <IsLatest>{is_latest}</IsLatest><Owner><ID>o</ID></Owner>");
            let _ = if *is_object {
                write!(inside, "<Version>{space}{common}<ETag>&quot;{tag}&quot;</ETag>\
                    <Size>{size}</Size></Version>")
            } else {
                write!(inside, "<DeleteMarker>{common}</DeleteMarker>{space}")
            };
        }
        let text = page_of(&inside);
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(piece).collect();
        let page = decode_in(&pieces, &begin()).expect("a page");
        prop_assert_eq!(rows(&page), by_quick_xml(&text));
        prop_assert_eq!(page.len(), rows_in.len());
    }

    /// Goal: no bytes make it fall over, and none make a page out of what is none.
    #[test]
    fn no_bytes_make_it_fall_over(
        at in 0_usize..AWS.len(), with in proptest::collection::vec(any::<u8>(), 0..6), gone in 0_usize..6,
    ) {
        let mut bytes = AWS.as_bytes().to_vec();
        let end = (at + gone).min(bytes.len());
        bytes.splice(at..end, with);
        if let Ok(page) = decode_in(&[&bytes], &begin()) {
            prop_assert!(page.len() <= 3);
            let _ = rows_lossy(&page);
        }
    }
}

fn rows_lossy(page: &Page) -> usize {
    (0..page.len()).filter_map(|place| page.version(place)).count()
}
