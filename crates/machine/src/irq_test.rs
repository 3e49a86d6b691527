use super::*;

/// Inputs that write down what happens to them: number and level.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<(u32, bool)>>>);

struct Recorded(u32, Record);

impl IrqLine for Recorded {
    fn set(&self, high: bool) {
        lock(&self.1.0).push((self.0, high));
    }
}

impl Record {
    pub(crate) fn lines(&self) -> Lines {
        Lines::new(|number| Recorded(number, self.clone()))
    }

    /// What has happened since this was last asked.
    pub(crate) fn take(&self) -> Vec<(u32, bool)> {
        std::mem::take(&mut lock(&self.0))
    }
}

#[test]
fn an_input_is_high_as_long_as_one_of_its_outputs_is() {
    let record = Record::default();
    let lines = record.lines();
    let (a, b) = (lines.output(9), lines.output(9));
    a.set(false);
    assert_eq!(record.take(), []);
    a.set(true);
    a.set(true);
    b.set(true);
    assert_eq!(record.take(), [(9, true)]);
    a.set(false);
    a.set(false);
    assert_eq!(record.take(), []);
    b.set(false);
    assert_eq!(record.take(), [(9, false)]);
}

#[test]
fn inputs_have_nothing_to_do_with_one_another() {
    let record = Record::default();
    let lines = record.lines();
    lines.output(10).set(true);
    lines.output(11).set(true);
    assert_eq!(record.take(), [(10, true), (11, true)]);
    lines.output(16).set(true);
    assert_eq!(record.take(), [], "there is no such input");
}
