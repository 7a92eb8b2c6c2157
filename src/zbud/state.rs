// SPDX-License-Identifier: GPL-2.0

//! The states of a descriptor, and the steps between them.

/// The state of a descriptor. It changes under the pool lock only, along these
/// steps ([`State::may_become`]):
///
/// | from               | to                 | by                                                    |
/// | ------------------ | ------------------ | ----------------------------------------------------- |
/// | Free               | Reserved           | `reserve`, for a page to come                         |
/// | Reserved           | Unbuddied          | `insert` of the page, with one zpage                  |
/// | Reserved           | Free               | `unreserve`: the page does not come                   |
/// | Unbuddied          | Buddied            | `pair`: a second zpage joins                          |
/// | Buddied            | Unbuddied          | `free` of one of the two                              |
/// | Unbuddied          | Empty              | `free` of the last: the page is kept for the next     |
/// | Unbuddied          | Free               | the same, and there are enough: the page is released  |
/// | Empty              | Unbuddied          | `refill` with a zpage                                 |
/// | Unbuddied, Buddied | Moving             | `begin_move`                                          |
/// | Empty              | Moving             | `begin_move`                                          |
/// | Moving             | Unbuddied, Buddied | `finish_move`, by the zpages that are left            |
/// | Moving             | Empty              | `finish_move`, when none is left                      |
/// | Empty              | Leaving            | `take_empty`, to be released                          |
/// | Leaving            | Free               | `release` of the page                                 |
/// | Leaving            | Empty              | `put_back`: mm has hold of the page                   |
/// | Unbuddied, Buddied | Lost               | `lose`: the memory of the page is broken              |
/// | Empty              | Lost               | `lose`                                                |
/// | Lost               | Free               | `forget` of the page, or `free` of the last zpage     |
/// | Unbuddied          | Moving, Joining    | `begin_repair`: a zpage goes beside another           |
/// | Moving             | Vacated            | `finish_repair`, of the page that it has left         |
/// | Moving             | Unbuddied          | the same, when it could not be copied                 |
/// | Joining            | Unbuddied, Buddied | `finish_repair`, by the zpages that are there         |
/// | Joining            | Empty              | the same, when both were freed meanwhile              |
/// | Vacated            | Leaving            | `take_empty`, to be released                          |
/// | Leaving            | Vacated            | `put_back`, while a zpage elsewhere has a slot here   |
/// | Leaving            | Stub               | `release` of the page, while one has                  |
/// | Stub               | Free               | `free` of that zpage                                  |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Describes no page.
    Free = 0,
    /// One zpage; on the list of its node and number of free chunks.
    Unbuddied = 1,
    /// Two zpages; on no list.
    Buddied = 2,
    /// Being copied to another page: slots frozen, on no list.
    Moving = 3,
    /// No zpage; on the list of its node for the next zpage that comes.
    Empty = 4,
    /// Describes no page yet; on no list.
    Reserved = 5,
    /// No zpage, and none to come: the page is being released. On no list.
    Leaving = 6,
    /// The memory of its page is broken, and its zpages are lost; on the list of such until
    /// the page is dropped.
    Lost = 7,
    /// A zpage is being copied to this page. Its own, if it has one still, can be mapped and
    /// freed. On no list.
    Joining = 8,
    /// No zpage, and none to come: its last is beside another now. On the list of such of its
    /// node, to be released.
    Vacated = 9,
    /// Describes no page, but the slot of a zpage that is elsewhere lives here. On no list.
    Stub = 10,
}

impl State {
    /// All states.
    pub const ALL: [State; 11] = [
        State::Free,
        State::Unbuddied,
        State::Buddied,
        State::Moving,
        State::Empty,
        State::Reserved,
        State::Leaving,
        State::Lost,
        State::Joining,
        State::Vacated,
        State::Stub,
    ];

    /// Whether a descriptor may go from this state to `next` in one step.
    #[inline]
    pub const fn may_become(self, next: State) -> bool {
        use State::{
            Buddied, Empty, Free, Joining, Leaving, Lost, Moving, Reserved, Stub, Unbuddied,
            Vacated,
        };
        match self {
            Free => matches!(next, Reserved),
            Reserved => matches!(next, Unbuddied | Free),
            Unbuddied => matches!(next, Buddied | Free | Empty | Moving | Lost | Joining),
            Buddied => matches!(next, Unbuddied | Moving | Lost),
            Moving => matches!(next, Unbuddied | Buddied | Empty | Vacated),
            Empty => matches!(next, Unbuddied | Moving | Leaving | Lost),
            Leaving => matches!(next, Free | Empty | Vacated | Stub),
            Joining => matches!(next, Unbuddied | Buddied | Empty),
            Vacated => matches!(next, Leaving),
            Lost | Stub => matches!(next, Free),
        }
    }

    /// Whether no zpage comes to the page of a descriptor, if it has one, as long as zpages
    /// that are elsewhere have slots there.
    pub(super) const fn stays_empty(self) -> bool {
        matches!(self, State::Leaving | State::Vacated | State::Stub)
    }

    #[inline]
    pub(super) fn from_raw(raw: u8) -> Option<Self> {
        Some(match raw {
            0 => Self::Free,
            1 => Self::Unbuddied,
            2 => Self::Buddied,
            3 => Self::Moving,
            4 => Self::Empty,
            5 => Self::Reserved,
            6 => Self::Leaving,
            7 => Self::Lost,
            8 => Self::Joining,
            9 => Self::Vacated,
            10 => Self::Stub,
            _ => return None,
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn raw_and_back() {
        for raw in 0..=u8::MAX {
            let state = State::ALL.into_iter().find(|&state| state as u8 == raw);
            assert_eq!(State::from_raw(raw), state);
        }
    }

    /// The steps of the table above, as "from to".
    fn documented() -> Vec<String> {
        let rows = include_str!("state.rs").lines();
        let rows = rows.filter_map(|line| line.strip_prefix("/// | "));
        let mut steps = Vec::new();
        for row in rows.filter(|row| !row.starts_with("from") && !row.starts_with("--")) {
            let mut cells = row.split('|').map(|cell| cell.trim().split(", "));
            let (from, to) = (cells.next(), cells.next());
            for from in from.into_iter().flatten() {
                for to in to.clone().into_iter().flatten() {
                    steps.push(format!("{from} {to}"));
                }
            }
        }
        steps.sort_unstable();
        // Some steps are made by several operations.
        steps.dedup();
        steps
    }

    #[test]
    fn the_table_is_what_may_happen() {
        let mut allowed = Vec::new();
        for from in State::ALL {
            for to in State::ALL.into_iter().filter(|&to| from.may_become(to)) {
                allowed.push(format!("{from:?} {to:?}"));
            }
        }
        allowed.sort_unstable();
        assert_eq!(allowed, documented());
    }
}
