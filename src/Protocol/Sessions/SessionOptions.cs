namespace McpCan.Protocol.Sessions;

/// <summary>Limits and times of sessions and their streams.</summary>
public sealed record SessionOptions
{
    /// <summary>The longest message that a client may send.</summary>
    public int MaxMessageBytes { get; init; } = 64 * 1024 * 1024;
    /// <summary>How much a session keeps for resumption and for streams that are not open yet.</summary>
    public int ReplayBytes { get; init; } = 16 * 1024 * 1024;
    /// <summary>How long a finished stream stays resumable.</summary>
    public TimeSpan ReplayAge { get; init; } = TimeSpan.FromMinutes(5);
    /// <summary>How often an open stream without messages carries a comment.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(15);
    /// <summary>How long a first answer is waited for before the response becomes an event stream.</summary>
    public TimeSpan Hold { get; init; } = TimeSpan.FromMilliseconds(500);
    /// <summary>The same for the modern era, where the status of the response depends on its first message.</summary>
    public TimeSpan ModernHold { get; init; } = TimeSpan.FromMilliseconds(200);
    /// <summary>The most requests of the modern era under way at one time, subscriptions included.</summary>
    public int MaxExchanges { get; init; } = 10_000;
    /// <summary>How long further requests of a server are waited for before the client is asked (2026-07-28, basic/patterns/mrtr).</summary>
    public TimeSpan GatherInputs { get; init; } = TimeSpan.FromMilliseconds(30);
    /// <summary>How long a call waits for the client's inputs.</summary>
    public TimeSpan ParkLimit { get; init; } = TimeSpan.FromMinutes(5);
    /// <summary>The most legacy servers that are leased to modern clients at one time, those that wait for inputs included.</summary>
    public int MaxLeases { get; init; } = 32;
    /// <summary>How long a leased server without a call is kept.</summary>
    public TimeSpan LeaseIdle { get; init; } = TimeSpan.FromMinutes(2);
    /// <summary>How long a client may leave a stream unread before it is cut.</summary>
    public TimeSpan StallLimit { get; init; } = TimeSpan.FromSeconds(60);
    /// <summary>How long a cancelled call may still be answered by the server.</summary>
    public TimeSpan CancelGrace { get; init; } = TimeSpan.FromSeconds(2);
    /// <summary>How long a server may take to answer initialize.</summary>
    public TimeSpan StartLimit { get; init; } = TimeSpan.FromSeconds(60);
    /// <summary>After how long without use a session ends.</summary>
    public TimeSpan IdleLimit { get; init; } = TimeSpan.FromMinutes(30);
}
