//! A range of keys that is being walked, as others see it.

use std::sync::{Mutex, PoisonError};

use super::range::Range;

/// How many pages must be read before it is worth a look for a cut: of a short range little is left.
const PAGES_BEFORE: u64 = 2;

/// How many more for each look for a cut that found none.
const PAGES_BETWEEN: u64 = 4;

/// A range that is being walked, as others see it.
#[derive(Debug)]
pub struct Shard {
    state: Mutex<State>,
}

#[derive(Clone, Debug)]
struct State {
    /// What is not counted yet.
    left: Range,
    /// Behind this nothing was read yet; a cut must lie beyond.
    read_to: String,
    /// There is more to read.
    goes_on: bool,
    /// Pages since it was last cut.
    pages: u64,
    /// Somebody looks for a place to cut it.
    is_claimed: bool,
    /// How often none was found.
    in_vain: u64,
}

impl Shard {
    /// A range of which nothing was read.
    pub fn new(range: Range) -> Shard {
        let state = State {
            read_to: range.after.clone(),
            left: range,
            goes_on: true,
            pages: 0,
            is_claimed: false,
            in_vain: 0,
        };
        Shard { state: Mutex::new(state) }
    }

    /// A range of which nothing was read, and which is worth a cut before that.
    pub fn worth_a_cut(range: Range) -> Shard {
        let shard = Shard::new(range);
        shard.with(|state| state.pages = PAGES_BEFORE);
        shard
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is not counted yet.
    pub fn left(&self) -> Range {
        self.with(|state| state.left.clone())
    }

    /// The part in which a cut may lie; `None` once it is read to its end.
    pub fn ahead(&self) -> Option<Range> {
        self.with(|state| {
            let range = Range { after: state.read_to.clone(), until: state.left.until.clone() };
            state.goes_on.then_some(range)
        })
    }

    /// How many pages were read since the last cut, if it may be worth another one.
    pub fn pages_ahead(&self) -> Option<u64> {
        self.with(|state| {
            // A range that could not be cut is left alone for longer each time.
            let is_worth = state.pages >= PAGES_BEFORE + state.in_vain * PAGES_BETWEEN;
            (state.goes_on && is_worth && !state.is_claimed).then_some(state.pages)
        })
    }

    /// Somebody looks for a place to cut it.
    pub fn claim(&self) {
        self.with(|state| state.is_claimed = true);
    }

    /// Nobody looks any more. The next look comes when more was read.
    pub fn probed(&self, found: bool) {
        self.with(|state| {
            (state.is_claimed, state.pages) = (false, 0);
            state.in_vain = if found { 0 } else { state.in_vain + 1 };
        });
    }

    /// Ends the range at a key; answers what is cut off. `None` when it was read past that meanwhile.
    pub fn cut(&self, at: &str) -> Option<Range> {
        self.with(|state| {
            if !state.goes_on || state.read_to.as_str() >= at || !state.left.holds(at.as_bytes()) {
                return None;
            }
            let until = state.left.until.replace(at.to_owned());
            Some(Range { after: at.to_owned(), until })
        })
    }

    /// Tells the others how far both sides were read and whether there is more, and hears whether the
    /// range has been cut.
    pub fn read(&self, read_to: Option<&[u8]>, more: bool) -> Range {
        self.with(|state| {
            if let Some(read_to) = read_to
                && read_to > state.read_to.as_bytes()
            {
                state.read_to = String::from_utf8_lossy(read_to).into_owned();
            }
            state.goes_on = more && state.left.holds(state.read_to.as_bytes());
            state.pages += 1;
            state.left.clone()
        })
    }

    /// All up to a key is counted.
    pub fn counted(&self, last: String) {
        self.with(|state| state.left.after = last);
    }
}
