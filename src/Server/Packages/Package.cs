namespace McpCan.Server.Packages;

/// <summary>Uploaded code of a server, in immutable versions.</summary>
public sealed class Package
{
    /// <summary>Opaque id, <c>p-…</c>.</summary>
    public required string Id { get; set; }
    /// <summary>Name for people, unique.</summary>
    public required string Name { get; set; }
    /// <summary>When the first version came.</summary>
    public DateTimeOffset CreatedAt { get; set; }
    /// <summary>Highest number that a version ever had.</summary>
    public int LastVersion { get; set; }
    /// <summary>Versions, oldest first.</summary>
    public List<PackageVersion> Versions { get; set; } = [];
}

/// <summary>One uploaded archive.</summary>
public sealed class PackageVersion
{
    /// <summary>Id of the package.</summary>
    public required string PackageId { get; set; }
    /// <summary>1, 2, 3 …</summary>
    public required int Version { get; set; }
    /// <summary>File name as uploaded.</summary>
    public required string FileName { get; set; }
    /// <summary>Size of the archive in bytes.</summary>
    public long Size { get; set; }
    /// <summary>Checksum of the archive, lower-case hex.</summary>
    public required string Sha256 { get; set; }
    /// <summary>What was found inside.</summary>
    public required DetectedProject Detected { get; set; }
    /// <summary>What is new in it, in the words of who made it.</summary>
    public string? Notes { get; set; }
    /// <summary>The version that it was edited from; null for an upload.</summary>
    public int? BasedOn { get; set; }
    /// <summary>User or API key that uploaded it.</summary>
    public string? UploadedBy { get; set; }
    /// <summary>When it came.</summary>
    public DateTimeOffset CreatedAt { get; set; }
}

/// <summary>What MCPCAN found in an archive. Every part can be overridden per instance.</summary>
/// <param name="Runtime"><c>node</c>, <c>python</c>, <c>executable</c> or <c>unknown</c>.</param>
/// <param name="Root">Folder inside the archive that holds the project (archives often have one top folder); empty for the archive's root.</param>
/// <param name="Install">Install command as argument vector, or null when nothing is to be installed.</param>
/// <param name="Start">Start command as argument vector, or null when no entry was found.</param>
/// <param name="LockFiles">Files that decide what is installed, relative to <paramref name="Root"/>.</param>
/// <param name="Notes">What was seen and concluded, one sentence each, for people.</param>
/// <param name="Build">Command that is run after the install command, for example to build what is started, or null.</param>
/// <param name="Env">Environment variables that the project itself sets, or null.</param>
/// <param name="Parameters">What it asks the person who sets it up for, or null.</param>
/// <param name="OnlyLockFiles">Whether the install command and the lock files alone decide what is installed, so that versions which have them in common share it.</param>
public sealed record DetectedProject(
    string Runtime, string Root, string[]? Install, string[]? Start, string[] LockFiles, string[] Notes, string[]? Build = null, Dictionary<string, string>? Env = null, PackageParameter[]? Parameters = null,
    bool OnlyLockFiles = false);
