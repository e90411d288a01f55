namespace McpCan.Server.Hosting;

/// <summary>Wakes one waiting loop. Any number of rings before it looks count as one.</summary>
internal sealed class Bell : IDisposable
{
    private readonly SemaphoreSlim _rung = new(0, 1);

    public void Ring()
    {
        try
        {
            _rung.Release();
        }
        catch (SemaphoreFullException)
        {
            // it will look anyway
        }
    }

    /// <summary>Waits for a ring, at most this long; false when none came.</summary>
    public Task<bool> WaitAsync(TimeSpan most, CancellationToken cancellationToken) => _rung.WaitAsync(most, cancellationToken);

    public void Dispose() => _rung.Dispose();
}
