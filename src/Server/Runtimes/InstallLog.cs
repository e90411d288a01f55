using System.Text.Encodings.Web;
using System.Text.Json;

namespace McpCan.Server.Runtimes;

/// <summary>Log of an install phase, of bounded size.</summary>
internal sealed class InstallLog : IDisposable
{
    private const int LongestLine = 16 << 10;
    private const long Most = 8L << 20;
    private static readonly JsonSerializerOptions Web = new(JsonSerializerDefaults.Web) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly Lock _gate = new();
    private readonly Queue<string> _last = new();
    private readonly FileStream _file;
    private readonly TimeProvider _time;
    private long _next;

    public InstallLog(string path, long first, TimeProvider time)
    {
        File.Delete(path); // whatever a workload may have left there
        _file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        _next = first;
        _time = time;
    }

    /// <summary>Number of the line that comes next.</summary>
    public long Next
    {
        get { lock (_gate) return _next; }
    }

    public IReadOnlyList<string> LastLines
    {
        get { lock (_gate) return [.. _last]; }
    }

    public void Write(string level, string message)
    {
        if (message.Length > LongestLine) message = message[..LongestLine] + " … (cut)";
        lock (_gate)
        {
            if (_last.Count == 20) _last.Dequeue();
            _last.Enqueue(message);
            if (_file.Length > Most) return;
            if (_file.Length + message.Length > Most) message = "(the install log is cut here)";
            _file.Write([.. JsonSerializer.SerializeToUtf8Bytes(new LogLine(_next++, _time.GetUtcNow(), "install", level, message), Web), (byte)'\n']);
        }
    }

    public void Dispose() => _file.Dispose();
}
