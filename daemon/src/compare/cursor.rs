//! One side of a walk: the pages that were read and not yet compared.

use std::collections::VecDeque;

use muster_state::call::CallError;

use super::{calls::Calls, judge::Version, range::Range};
use crate::world::aws::listing::{Marker, Page, Shelf};

/// The most entries of a page; S3 gives no more.
pub(super) const PAGE: u16 = 1_000;

/// With fewer entries left than these a side reads on when the other one must: the two would else
/// wait in turn, each for its own page.
const LOW: usize = PAGE as usize / 2;

/// One side of a walk.
pub(super) struct Cursor<'a> {
    shelf: &'a Shelf,
    calls: &'a Calls,
    /// What was read; none of them is empty.
    pages: VecDeque<Page>,
    /// The first entry that is not compared yet, of the first page.
    at: usize,
    /// How many entries are not compared yet.
    ready: usize,
    pub(super) next: Option<Marker>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(shelf: &'a Shelf, calls: &'a Calls, after: &str) -> Cursor<'a> {
        let next = Some(Marker { key: after.to_owned(), version: None });
        Cursor { shelf, calls, pages: VecDeque::new(), at: 0, ready: 0, next }
    }

    /// Whether more must be read before all versions of the first key are certainly there.
    pub(super) fn is_short(&self, range: &Range) -> bool {
        self.next.is_some()
            && self.first() == self.last()
            && self.first().is_none_or(|key| range.holds(key))
    }

    fn is_low(&self, range: &Range) -> bool {
        self.ready < LOW && self.next.is_some() && self.last().is_none_or(|key| range.holds(key))
    }

    /// Reads until all versions of the first key are there; answers how many pages that took.
    pub(super) async fn fill(&mut self, range: &Range) -> Result<u64, CallError> {
        let mut pages = 0;
        while (self.is_short(range) || (pages == 0 && self.is_low(range)))
            && let Some(marker) = &self.next
        {
            let mut page = self.calls.one(self.shelf.page(marker, PAGE)).await?;
            self.next = page.next.take();
            self.ready += page.len();
            if !page.is_empty() {
                self.pages.push_back(page);
            }
            pages += 1;
        }
        Ok(pages)
    }

    /// The first key that is not compared yet.
    pub(super) fn first(&self) -> Option<&[u8]> {
        self.pages.front()?.key(self.at)
    }

    fn last(&self) -> Option<&[u8]> {
        let page = self.pages.back()?;
        page.key(page.len() - 1)
    }

    /// Behind this nothing was read.
    pub(super) fn read_to(&self) -> Option<&[u8]> {
        self.last().max(self.next.as_ref().map(|next| next.key.as_bytes()))
    }

    /// How many versions the first key has.
    pub(super) fn count(&self) -> usize {
        let first = self.first();
        let next = self.pages.front().and_then(|page| page.key(self.at + 1));
        if next.is_some() && next != first {
            return 1;
        }
        self.places().take_while(|(page, at)| page.key(*at) == first).count()
    }

    /// The next so many versions.
    pub(super) fn versions(&self, count: usize) -> Vec<Version<'_>> {
        self.places().take(count).filter_map(|(page, at)| page.version(at)).collect()
    }

    /// The next version.
    pub(super) fn version(&self) -> Option<Version<'_>> {
        self.pages.front()?.version(self.at)
    }

    fn places(&self) -> impl Iterator<Item = (&Page, usize)> {
        let all = self.pages.iter().flat_map(|page| (0..page.len()).map(move |at| (page, at)));
        all.skip(self.at)
    }

    /// Goes on behind so many versions.
    pub(super) fn pass(&mut self, count: usize) {
        self.at += count;
        self.ready -= count;
        while let Some(page) = self.pages.front()
            && page.len() <= self.at
        {
            self.at -= page.len();
            self.pages.pop_front();
        }
    }
}
