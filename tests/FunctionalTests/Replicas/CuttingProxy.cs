using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace McpCan.FunctionalTests.Replicas;

/// <summary>A load balancer whose connections can be torn at any moment. It sends each new connection to the next address that takes it.</summary>
internal sealed class CuttingProxy : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<int, (Socket Client, Socket Server)> _open = new();
    private volatile int[] _ports = [];
    private int _count;

    public CuttingProxy()
    {
        _listener.Start();
        Url = $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";
        _ = AcceptAsync();
    }

    public string Url { get; }

    /// <summary>Where connections go from now on.</summary>
    public void To(IEnumerable<string> urls) => _ports = [.. urls.Select(u => new Uri(u).Port)];

    /// <summary>Tears one open connection, any one, without a word to either side; false when there is none.</summary>
    public bool CutOne()
    {
        var keys = _open.Keys.ToArray();
        return keys.Length > 0 && Cut(keys[RandomNumberGenerator.GetInt32(keys.Length)]);
    }

    public void Dispose()
    {
        _listener.Dispose();
        foreach (var key in _open.Keys) Cut(key);
    }

    private bool Cut(int key)
    {
        if (!_open.TryRemove(key, out var pair)) return false;
        // No linger: a reset, as when the machine on the way loses its power.
        pair.Client.Close(0);
        pair.Server.Close(0);
        return true;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptSocketAsync());
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // the test is over
        }
    }

    private async Task ServeAsync(Socket client)
    {
        var key = Interlocked.Increment(ref _count);
        if (await ConnectAsync(key) is not { } server)
        {
            client.Close(0);
            return;
        }
        client.NoDelay = server.NoDelay = true;
        _open[key] = (client, server);
        await Task.WhenAny(PumpAsync(client, server), PumpAsync(server, client));
        if (!_open.TryRemove(key, out _)) return;
        client.Dispose();
        server.Dispose();
    }

    private async Task<Socket?> ConnectAsync(int first)
    {
        var ports = _ports;
        for (var i = 0; i < ports.Length; i++)
        {
            var server = new Socket(SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await server.ConnectAsync(IPAddress.Loopback, ports[(first + i) % ports.Length]);
                return server;
            }
            catch (SocketException)
            {
                server.Dispose(); // that one is dead now
            }
        }
        return null;
    }

    private static async Task PumpAsync(Socket from, Socket to)
    {
        var buffer = new byte[8192];
        try
        {
            while (await from.ReceiveAsync(buffer) is var n and > 0) await to.SendAsync(buffer.AsMemory(0, n));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // torn
        }
    }
}
