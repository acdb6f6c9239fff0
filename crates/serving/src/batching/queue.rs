//! Who is answered next, and who together with whom?
//!
//! Urgent ones come first. Among those that are as urgent, clients take turns by the number of their examples, however many requests each
//! of them has sent: this is start-time fair queueing (Goyal, Vin and Cheng, "Start-Time Fair Queueing", 1996). A request whose time is
//! over, or for which nobody waits any more, is not answered.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

/// One request, or what one can be told from another by.
#[derive(Debug)]
pub(crate) struct Ticket<K, T> {
    /// Only those of one kind can be answered together.
    pub kind: K,
    /// How many examples it has.
    pub rows: usize,
    /// From whom it comes.
    pub client: u64,
    /// How urgent it is; 0 is the most.
    pub priority: u8,
    /// When it came.
    pub arrived: Instant,
    /// When its answer is of no use any more.
    pub deadline: Option<Instant>,
    /// What is asked.
    pub work: T,
}

/// The place of a ticket: its urgency, the turn of its client, and the order in which they came.
type Place = (u8, u64, u64);

/// Requests that wait.
#[derive(Debug)]
pub(crate) struct Queue<K, T> {
    waiting: BTreeMap<Place, Ticket<K, T>>,
    /// When the last request of a client is through, counted in examples.
    finished: HashMap<u64, u64>,
    /// The turn that was last answered.
    clock: u64,
    came: u64,
    /// How many may wait.
    most: usize,
}

impl<K: PartialEq, T> Queue<K, T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { waiting: BTreeMap::new(), finished: HashMap::new(), clock: 0, came: 0, most }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no more may wait.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= self.most
    }

    /// Puts a request at its place, or gives it back if too many wait already.
    pub(crate) fn push(&mut self, ticket: Ticket<K, T>) -> Result<(), Ticket<K, T>> {
        if self.is_full() {
            return Err(ticket);
        }
        self.push_again(ticket);
        Ok(())
    }

    /// Puts a request that was let in already at its place, be there room or not.
    pub(crate) fn push_again(&mut self, ticket: Ticket<K, T>) {
        // Those who are through with all they asked have no more to say than a newcomer.
        if self.finished.len() > 2 * self.most {
            let clock = self.clock;
            self.finished.retain(|_, finished| *finished > clock);
        }
        let finished = self.finished.entry(ticket.client).or_insert(0);
        let start = self.clock.max(*finished);
        *finished = start + ticket.rows.max(1) as u64;
        self.came += 1;
        self.waiting.insert((ticket.priority, start, self.came), ticket);
    }

    /// The one that is next.
    pub(crate) fn lead(&self) -> Option<&Ticket<K, T>> {
        self.waiting.values().next()
    }

    /// How many examples could be answered together with the next one.
    pub(crate) fn rows_with_lead(&self) -> usize {
        let Some(lead) = self.lead() else { return 0 };
        self.waiting.values().filter(|ticket| ticket.kind == lead.kind).map(|ticket| ticket.rows).sum()
    }

    /// Takes the next request, and those of its kind in their order as long as all of them have no more than `rows` examples.
    pub(crate) fn take(&mut self, rows: usize) -> Vec<Ticket<K, T>> {
        let Some((first, lead)) = self.waiting.pop_first() else { return Vec::new() };
        self.clock = self.clock.max(first.1);
        let mut room = rows.saturating_sub(lead.rows);
        let mut together = Vec::new();
        for (place, ticket) in &self.waiting {
            if room == 0 {
                break;
            }
            if ticket.kind == lead.kind && ticket.rows <= room {
                room -= ticket.rows;
                together.push(*place);
            }
        }
        let others = together.iter().filter_map(|place| self.waiting.remove(place));
        let mut all = vec![lead];
        all.extend(others);
        if self.waiting.is_empty() {
            // Whoever comes next is as good as any other.
            self.finished.clear();
        }
        all
    }

    /// Takes out those whose time is over at `now`, and those that `is_gone`.
    pub(crate) fn expire(&mut self, now: Instant, is_gone: impl Fn(&T) -> bool) -> Vec<Ticket<K, T>> {
        let is_over =
            |ticket: &Ticket<K, T>| ticket.deadline.is_some_and(|deadline| deadline <= now) || is_gone(&ticket.work);
        let places: Vec<Place> =
            self.waiting.iter().filter(|(_, ticket)| is_over(ticket)).map(|(place, _)| *place).collect();
        places.iter().filter_map(|place| self.waiting.remove(place)).collect()
    }

    /// The first moment at which one of those that wait is over.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.values().filter_map(|ticket| ticket.deadline).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ticket(kind: char, rows: usize, client: u64, priority: u8, work: u32) -> Ticket<char, u32> {
        Ticket { kind, rows, client, priority, arrived: Instant::now(), deadline: None, work }
    }

    fn taken(queue: &mut Queue<char, u32>, rows: usize) -> Vec<u32> {
        queue.take(rows).into_iter().map(|ticket| ticket.work).collect()
    }

    #[test]
    fn those_of_one_kind_are_answered_together_as_far_as_there_is_room() {
        let mut queue = Queue::new(10);
        for (work, (kind, rows)) in [('a', 2), ('b', 1), ('a', 3), ('a', 4), ('a', 1)].into_iter().enumerate() {
            queue.push(ticket(kind, rows, work as u64, 1, work as u32)).unwrap();
        }
        assert_eq!((queue.len(), queue.rows_with_lead()), (5, 10));
        // 2 and 3 and 1 are 6; 4 more would be too many, and the other kind waits.
        assert_eq!(taken(&mut queue, 6), [0, 2, 4]);
        assert_eq!(taken(&mut queue, 6), [1]);
        assert_eq!(taken(&mut queue, 6), [3]);
        assert_eq!(taken(&mut queue, 6), [0; 0]);
        // What alone is more than there is room for is answered alone.
        queue.push(ticket('a', 9, 1, 1, 7)).unwrap();
        queue.push(ticket('a', 1, 2, 1, 8)).unwrap();
        assert_eq!(taken(&mut queue, 6), [7]);
        assert_eq!(taken(&mut queue, 6), [8]);
    }

    #[test]
    fn a_client_that_asks_much_does_not_keep_another_one_waiting() {
        let mut queue = Queue::new(100);
        for work in 0..20 {
            queue.push(ticket('a', 1, 1, 1, work)).unwrap();
        }
        queue.push(ticket('a', 1, 2, 1, 100)).unwrap();
        queue.push(ticket('a', 1, 2, 1, 101)).unwrap();
        let order: Vec<u32> = (0..5).flat_map(|_| taken(&mut queue, 1)).collect();
        assert_eq!(order, [0, 100, 1, 101, 2]);
        // By examples, and not by requests.
        let mut queue = Queue::new(100);
        for work in 0..4 {
            queue.push(ticket('a', 10, 1, 1, work)).unwrap();
        }
        for work in 0..30 {
            queue.push(ticket('b', 1, 2, 1, 100 + work)).unwrap();
        }
        let order: Vec<u32> = (0..34).flat_map(|_| taken(&mut queue, 1)).collect();
        let second = order.iter().position(|work| *work == 1).unwrap();
        assert!((9..=12).contains(&second), "{order:?}");
        // Who comes later does not make up for what it never asked.
        queue.push(ticket('a', 1, 1, 1, 1)).unwrap();
        queue.push(ticket('a', 1, 3, 1, 3)).unwrap();
        queue.push(ticket('a', 1, 3, 1, 4)).unwrap();
        let order: Vec<u32> = (0..3).flat_map(|_| taken(&mut queue, 1)).collect();
        assert_eq!(order.iter().filter(|work| **work >= 3).count(), 2);
        assert!(order.iter().position(|work| *work == 1).unwrap() < 2, "{order:?}");
    }

    #[test]
    fn urgent_ones_come_first_and_too_many_are_given_back() {
        let mut queue = Queue::new(3);
        for (work, priority) in [(0, 2), (1, 1), (2, 0)] {
            queue.push(ticket('a', 1, 1, priority, work)).unwrap();
        }
        assert_eq!(queue.push(ticket('a', 1, 1, 0, 9)).unwrap_err().work, 9);
        let order: Vec<u32> = (0..3).flat_map(|_| taken(&mut queue, 1)).collect();
        assert_eq!(order, [2, 1, 0]);
    }

    #[test]
    fn what_is_over_or_gone_is_taken_out() {
        let mut queue = Queue::new(9);
        let now = Instant::now();
        for (work, deadline) in [(0, None), (1, Some(now)), (2, Some(now + Duration::from_secs(9))), (3, None)] {
            queue.push(Ticket { deadline, ..ticket('a', 1, 1, 1, work) }).unwrap();
        }
        let gone: Vec<u32> = queue.expire(now, |work| *work == 3).into_iter().map(|ticket| ticket.work).collect();
        assert_eq!(gone, [1, 3]);
        assert_eq!(queue.next_deadline(), Some(now + Duration::from_secs(9)));
        assert_eq!(taken(&mut queue, 9), [0, 2]);
    }

    /// However many clients come and go, what is remembered of them has an end.
    #[test]
    fn clients_that_are_through_are_forgotten() {
        let mut queue = Queue::new(4);
        for client in 0..1000 {
            queue.push(ticket('a', 1, client, 1, 0)).unwrap();
            taken(&mut queue, 1);
        }
        assert!(queue.finished.len() <= 2 * 4 + 2, "{}", queue.finished.len());
    }
}
