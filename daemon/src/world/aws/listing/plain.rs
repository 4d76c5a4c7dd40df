//! The small pieces of XML, and of keys, as S3 writes them.

use memchr::memchr;

use super::decode::{Flaw, NOT_PLAIN};

/// The name in a tag. Attributes are passed over; one that holds the end of a tag is not understood.
pub(super) fn name(tag: &[u8]) -> Result<&[u8], Flaw> {
    let tag = tag.strip_suffix(b"/").unwrap_or(tag);
    let Some(space) = tag.iter().position(u8::is_ascii_whitespace) else {
        let is_name = tag.first().is_some_and(u8::is_ascii_alphabetic);
        return if is_name { Ok(tag) } else { Err(NOT_PLAIN) };
    };
    let quotes = |quote: u8| tag.iter().filter(|byte| **byte == quote).count();
    if space == 0 || tag[0] == b'!' || quotes(b'"') % 2 == 1 || quotes(b'\'') % 2 == 1 {
        return Err(NOT_PLAIN);
    }
    Ok(&tag[..space])
}

/// A truth value.
pub(super) fn yes(text: &[u8]) -> Result<bool, Flaw> {
    match text {
        b"true" => Ok(true),
        b"false" => Ok(false),
        _ => Err(NOT_PLAIN),
    }
}

/// A tag without its quotes, however they are written.
pub(super) fn unquoted(text: &[u8]) -> &[u8] {
    let quotes: [&[u8]; 3] = [b"&quot;", b"\"", b"&#34;"];
    let inside = |quote: &&[u8]| text.strip_prefix(*quote)?.strip_suffix(*quote);
    quotes.iter().find_map(inside).unwrap_or(text)
}

/// Writes a text behind another, with its entities as what they stand for.
pub(super) fn unescape(mut text: &[u8], out: &mut Vec<u8>) -> Result<(), Flaw> {
    while let Some(at) = memchr(b'&', text) {
        out.extend_from_slice(&text[..at]);
        let name = &text[at + 1..];
        let end = memchr(b';', name).ok_or(NOT_PLAIN)?;
        let letter = match &name[..end] {
            b"amp" => '&',
            b"lt" => '<',
            b"gt" => '>',
            b"quot" => '"',
            b"apos" => '\'',
            [b'#', number @ ..] => numbered(number).ok_or(NOT_PLAIN)?,
            _ => return Err(NOT_PLAIN),
        };
        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        text = &name[end + 1..];
    }
    out.extend_from_slice(text);
    Ok(())
}

fn numbered(number: &[u8]) -> Option<char> {
    let number = std::str::from_utf8(number).ok()?;
    let number = match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    char::from_u32(number.ok()?)
}

/// Decodes in place what S3 encodes like a form, a space as `+`; answers how long it is then.
pub(super) fn decode(text: &mut [u8]) -> Result<usize, Flaw> {
    const BAD: Flaw = Flaw::Malformed("a key of its list is badly encoded");
    let (mut from, mut to) = (0, 0);
    while from < text.len() {
        let (byte, length) = match text[from] {
            b'+' => (b' ', 1),
            b'%' => {
                let digit = |at: usize| char::from(*text.get(from + at)?).to_digit(16);
                let (high, low) = digit(1).zip(digit(2)).ok_or(BAD)?;
                (u8::try_from(high * 16 + low).map_err(|_| BAD)?, 3)
            }
            plain => (plain, 1),
        };
        text[to] = byte;
        (from, to) = (from + length, to + 1);
    }
    Ok(to)
}
