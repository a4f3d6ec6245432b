/// Jobs in the order in which they came. Taking the first is cheap however many wait.
struct JobQueue {
    private var jobs: [ConnectionThread.Job] = []
    /// Jobs before this index are gone.
    private var head = 0

    var count: Int { jobs.count - head }
    var isEmpty: Bool { head == jobs.count }
    var first: ConnectionThread.Job? { isEmpty ? nil : jobs[head] }

    mutating func append(_ job: ConnectionThread.Job) { jobs.append(job) }

    mutating func next() -> ConnectionThread.Job? {
        guard let job = first else { return nil }
        head += 1
        if head == jobs.count {
            jobs.removeAll(keepingCapacity: head <= 256)
            head = 0
        } else if head >= 256, head * 2 >= jobs.count {
            jobs.removeFirst(head)
            head = 0
        }
        return job
    }

    mutating func removeAll() -> [ConnectionThread.Job] {
        defer {
            jobs = []
            head = 0
        }
        return Array(jobs[head...])
    }
}
