//! Runs whose commit is all that is left of them. While it is on its way to the disk the server computes nothing for them: whoever
//! waits for a place need not wait for that, too.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

use crate::refresh::Event;

/// Who hears what happens in a run.
pub(super) type Hear = Rc<dyn Fn(Event)>;

/// How many there are.
#[derive(Default)]
pub(super) struct Closing {
    count: Cell<usize>,
    more: Notify,
}

impl Closing {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.count.get()
    }

    /// Resolves when there is one more than before.
    pub async fn one_more(&self) {
        self.more.notified().await;
    }
}

/// One run, which is counted from its [`Event::Closing`] on until this value goes.
pub(super) struct Watched {
    all: Rc<Closing>,
    hear: Hear,
    counted: Cell<bool>,
}

impl Watched {
    pub fn new(all: Rc<Closing>, hear: Hear) -> Self {
        Self { all, hear, counted: Cell::new(false) }
    }

    /// Hears what happens in the run.
    pub fn hear(&self, event: Event) {
        if matches!(event, Event::Closing { .. }) && !self.counted.replace(true) {
            self.all.count.set(self.all.count.get() + 1);
            self.all.more.notify_one();
        }
        (self.hear)(event);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.counted.get() {
            self.all.count.set(self.all.count.get().saturating_sub(1));
        }
    }
}
