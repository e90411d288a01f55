using System.Security.Cryptography;
using System.Text;

namespace McpCan.Server.Runtimes;

/// <summary>
/// Names for sockets in deep data folders: the kernel takes at most 107 bytes. A private folder in the system's temporary (or runtime) folder
/// then holds a symbolic link to each workload's folder.
/// </summary>
internal sealed class ShortPaths(ProcessRuntimeOptions options)
{
    private const int Longest = 107;

    /// <summary>The path itself where it is short enough, else one through a link.</summary>
    public string Shorten(string instanceId, string path, string relative)
    {
        if (Encoding.UTF8.GetByteCount(path) <= Longest) return path;
        var folder = Folder;
        const uint ownerOnly = 0x1C0;
        if (Linux.MakeDirectory(folder, ownerOnly) != 0 && !Linux.IsOwnFolder(folder)) throw new IOException($"{folder} belongs to somebody else.");
        var link = Path.Combine(folder, instanceId);
        var target = Path.Combine(options.Data, "workloads", instanceId);
        if (new FileInfo(link).LinkTarget != target)
        {
            File.Delete(link);
            _ = Linux.SymbolicLink(target, link);
        }
        return Path.Combine(link, relative);
    }

    public void Remove(string instanceId)
    {
        var folder = Folder;
        if (!Directory.Exists(folder)) return;
        File.Delete(Path.Combine(folder, instanceId));
        try
        {
            Directory.Delete(folder);
        }
        catch (IOException)
        {
            // others still use it
        }
    }

    private string Folder => Path.Combine(Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 and < 40 } runtime && Directory.Exists(runtime) ? runtime : "/tmp",
        "mcpcan-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(options.InstallationId() + options.Data)))[..12]);
}
