using McpCan.Protocol.Sessions;

namespace McpCan.Gateway.Remote;

/// <summary>The legacy sessions that the modern calls of one principal share, opened when they are first needed.</summary>
internal sealed class SharedSessions(Func<string, IServerConnection> open, TimeProvider time) : IDisposable
{
    private const int MostPrincipals = 200;
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromMinutes(2);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Shared> _shared = [];
    private bool _isDisposed;

    /// <summary>The session of a principal. Throws <see cref="ServerUnavailableException"/>.</summary>
    public async ValueTask<SharedServer> RentAsync(string principal, CancellationToken cancellationToken)
    {
        Shared shared;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (!_shared.TryGetValue(principal, out shared!) || shared.IsOver)
            {
                if (_shared.Count >= MostPrincipals) DropUnused();
                _shared[principal] = shared = new(open(principal));
                shared.Connecting = ConnectAsync(shared);
            }
        }
        await shared.Connecting.WaitAsync(cancellationToken);
        return shared.Server;
    }

    /// <summary>Ends all of them; the next call opens another one.</summary>
    public void EndAll()
    {
        lock (_gate)
        {
            foreach (var shared in _shared.Values) shared.Connection.Stop();
            _shared.Clear();
        }
    }

    public void Dispose()
    {
        lock (_gate) _isDisposed = true;
        EndAll();
    }

    private async Task ConnectAsync(Shared shared)
    {
        await Task.Yield(); // the caller holds the gate
        using var limit = new CancellationTokenSource(ConnectLimit, time);
        try
        {
            shared.Connection.Link.Adopt(shared.Server);
            await shared.Server.ConnectAsync(shared.Connection.Link, limit.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or ServerUnavailableException)
        {
            shared.Connection.Stop();
            throw e as ServerUnavailableException ?? new ServerUnavailableException("the servers behind this address did not answer in time");
        }
    }

    private void DropUnused()
    {
        foreach (var (principal, shared) in _shared.Where(entry => entry.Value.IsOver || entry.Value.Connecting.IsCompleted && !entry.Value.Server.IsUsed).ToArray())
        {
            _shared.Remove(principal);
            shared.Connection.Stop();
        }
    }

    private sealed class Shared(IServerConnection connection)
    {
        public IServerConnection Connection => connection;
        public SharedServer Server { get; } = new();
        public Task Connecting { get; set; } = Task.CompletedTask;
        public bool IsOver => Connecting.IsCompleted && Server.Link is null;
    }
}
