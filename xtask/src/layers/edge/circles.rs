//! Files that use each other, directly or in a longer ring.
//!
//! Deliberately absent: what to do about it, which the reader of the message decides.

use std::collections::{BTreeMap, BTreeSet};

use super::uses::Use;
use crate::layers::source::tree::FileId;

/// Files each of which uses, by some way, each of the others.
#[derive(Debug)]
pub(crate) struct Knot {
    pub(crate) files: BTreeSet<FileId>,
    /// The shortest ring in it, with one use for each step.
    pub(crate) ring: Vec<Use>,
    /// All steps in it, with the first use for each.
    pub(crate) steps: Vec<Use>,
}

/// The knots, each file in one at most.
pub(crate) fn knots(uses: &[Use]) -> Vec<Knot> {
    let graph = Graph::of(uses);
    let files: BTreeSet<FileId> = graph.0.keys().copied().collect();
    let reached: BTreeMap<FileId, BTreeSet<FileId>> = files.iter().map(|&file| (file, graph.reached(file))).collect();
    let mut done = BTreeSet::new();
    let mut knots = Vec::new();
    for &file in files.iter().filter(|&file| reached[file].contains(file)) {
        if !done.contains(&file) {
            let in_both = |other: &&FileId| reached.get(other).is_some_and(|reached| reached.contains(&file));
            let files: BTreeSet<FileId> = reached[&file].iter().filter(in_both).copied().collect();
            done.extend(files.iter().copied());
            knots.push(graph.knot(files));
        }
    }
    knots
}

/// Whom each file uses, and where first.
struct Graph<'a>(BTreeMap<FileId, BTreeMap<FileId, &'a Use>>);

impl<'a> Graph<'a> {
    fn of(uses: &'a [Use]) -> Self {
        let mut graph: BTreeMap<FileId, BTreeMap<FileId, &Use>> = BTreeMap::new();
        for step in uses {
            let first = graph.entry(step.from).or_default().entry(step.to).or_insert(step);
            if step.line < first.line {
                *first = step;
            }
        }
        Self(graph)
    }

    fn next(&self, file: FileId) -> impl Iterator<Item = (FileId, &'a Use)> {
        self.0.get(&file).into_iter().flatten().map(|(&to, &step)| (to, step))
    }

    /// All that a file comes to by one step or more.
    fn reached(&self, file: FileId) -> BTreeSet<FileId> {
        let mut reached = BTreeSet::new();
        let mut open = vec![file];
        while let Some(file) = open.pop() {
            open.extend(self.next(file).map(|(to, _)| to).filter(|&to| reached.insert(to)));
        }
        reached
    }

    fn knot(&self, files: BTreeSet<FileId>) -> Knot {
        let ring = files.iter().map(|&file| self.ring(file)).min_by_key(Vec::len).unwrap_or_default();
        let steps = files.iter().flat_map(|&file| self.next(file)).filter(|(to, _)| files.contains(to));
        let steps = steps.map(|(_, step)| step.clone()).collect();
        Knot { files, ring, steps }
    }

    /// The shortest way from a file back to it.
    fn ring(&self, start: FileId) -> Vec<Use> {
        let mut came_by: BTreeMap<FileId, &Use> = BTreeMap::new();
        let mut open = std::collections::VecDeque::from([start]);
        while let Some(file) = open.pop_front() {
            for (to, step) in self.next(file) {
                if came_by.contains_key(&to) {
                    continue;
                }
                came_by.insert(to, step);
                open.push_back(to);
            }
        }
        let mut ring = Vec::new();
        let mut at = start;
        while let Some(&step) = came_by.get(&at) {
            ring.insert(0, step.clone());
            at = step.from;
            if at == start {
                break;
            }
        }
        ring
    }
}
