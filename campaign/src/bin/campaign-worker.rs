//! A process of a campaign; see `lock_campaign`.

fn main() {
    lock_campaign::work();
}
