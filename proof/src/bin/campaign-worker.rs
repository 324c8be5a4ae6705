//! A process of a campaign; see `lock_proof::campaign`.

fn main() {
    lock_proof::campaign::work();
}
