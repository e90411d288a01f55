namespace McpCan.Server.Runtimes;

/// <summary>A folder from outside that a workload sees. It stays when the workload goes.</summary>
/// <param name="Kind"><c>named</c> (a volume that the environment keeps) or <c>host</c> (a folder of the machine).</param>
/// <param name="Source">Named: the volume's name. Host: a path below one of the folders that the administrator opened.</param>
/// <param name="Target">Where the server sees it, for example <c>/data</c>.</param>
/// <param name="ReadOnly">Whether the server may only read.</param>
/// <param name="SubPath">A folder in it that is shown in place of all of it; in a named volume it is made when it is not there.</param>
/// <param name="RestartOnChange">Whether the server is restarted when files in it change. For code in a folder of the machine that the server only reads.</param>
public sealed record VolumeMount(string Kind, string Source, string Target, bool ReadOnly = false, string? SubPath = null, bool RestartOnChange = false)
{
    /// <summary>Kind of a volume that the environment keeps.</summary>
    public const string Named = "named";
    /// <summary>Kind of a folder of the machine.</summary>
    public const string Host = "host";
}

/// <summary>A volume that an environment keeps for this installation.</summary>
/// <param name="Name">Its name in the environment.</param>
/// <param name="CreatedAt">When it was made, where that is known.</param>
public sealed record NamedVolume(string Name, DateTimeOffset? CreatedAt);

/// <summary>Finds the folders of volumes. What a workload could have put there leads nowhere else.</summary>
internal static class VolumePaths
{
    /// <summary>The folder that a host volume means, without symbolic links.</summary>
    /// <exception cref="IOException">There is none that may be used; the same is said of what is not there and of what is not open.</exception>
    public static string Host(VolumeMount volume, IReadOnlyList<string> roots, string data)
    {
        if (roots is []) throw new IOException("The administrator has opened no folder of this machine for volumes (MCPCAN_VOLUME_ROOTS).");
        var real = Linux.RealPath(volume.Source);
        if (real is null || !Directory.Exists(real) || !roots.Any(r => Linux.RealPath(r) is { } root && IsIn(real, root)))
            throw new IOException($"'{volume.Source}' is no folder below one of those that the administrator opened for volumes (MCPCAN_VOLUME_ROOTS).");
        var own = Linux.RealPath(data) ?? data;
        if (IsIn(real, own) || IsIn(own, real)) throw new IOException($"'{volume.Source}' is part of MCPCAN's own data, or holds it.");
        return Below(real, volume.SubPath, made: null);
    }

    /// <summary>A folder in a volume. Symbolic links on the way are refused: whoever may write there could make them lead anywhere.</summary>
    /// <param name="folder">The volume's folder.</param>
    /// <param name="subPath">Relative path, or null for the volume's own folder.</param>
    /// <param name="made">Told of each folder that had to be made; null when none may be.</param>
    public static string Below(string folder, string? subPath, Action<string>? made)
    {
        foreach (var part in (subPath ?? "").Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            folder = Path.Combine(folder, part);
            if (part is "." or ".." || new FileInfo(folder).LinkTarget is not null) throw new IOException($"The folder '{subPath}' of the volume cannot be used: it leads elsewhere.");
            if (Directory.Exists(folder)) continue;
            if (made is null || Path.Exists(folder)) throw new IOException($"There is no folder '{subPath}' in the volume.");
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            made(folder);
        }
        return folder;
    }

    /// <summary>Why a path cannot be had; null when it can.</summary>
    public static string? Fault(Func<string> find)
    {
        try
        {
            find();
            return null;
        }
        catch (IOException e)
        {
            return e.Message;
        }
    }

    /// <summary>What is said when the environment has no such volume.</summary>
    public static string Missing(VolumeMount volume) => $"There is no volume '{volume.Source}' in this environment. Make it first; what a volume of that name holds elsewhere does not follow.";

    /// <summary>Whether a path is the folder or lies in it.</summary>
    public static bool IsIn(string path, string folder) => path == folder || folder == "/" || path.StartsWith(folder + "/", StringComparison.Ordinal);
}
