namespace McpCan.Protocol.Sessions;

/// <summary>
/// The bound on what all streams of a session keep together. The oldest events go first; events that a client who
/// is there has not been sent yet stay (backpressure or the cut of the stream bounds those).
/// </summary>
sealed class ReplayBuffer(int limit)
{
    readonly Queue<EventStream> order = new(); // one entry an event, in the order of arrival
    long size;

    public int Limit => limit;

    public void Added(EventStream stream, int length)
    {
        size += length;
        order.Enqueue(stream);
        while (size > limit && order.Count > 1)
        {
            var oldest = order.Dequeue();
            size -= oldest.DropOldest(evenUnread: false);
        }
    }

    public void Removed(int length)
    {
        size -= length;
        // An entry without its event costs nothing when its turn comes; keep their number in step with the events.
        if (size == 0) order.Clear();
    }
}
