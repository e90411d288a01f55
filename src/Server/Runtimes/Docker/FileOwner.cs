namespace McpCan.Server.Runtimes.Docker;

/// <summary>Who workloads run as, and whose files are theirs.</summary>
internal static class FileOwner
{
    private const uint WorkloadUser = 10001;

    /// <summary>As root, a user of its own; else only our own user may read what we wrote.</summary>
    public static (uint User, uint Group) Workload => Linux.UserId() == 0 ? (WorkloadUser, WorkloadUser) : (Linux.UserId(), Linux.GroupId());

    /// <summary>Gives a tree to the workload. Links are not followed.</summary>
    public static void Give(string path) => Give(path, Workload);

    /// <summary>Takes a tree back, for whoever comes next.</summary>
    public static void Take(string path) => Give(path, (Linux.UserId(), Linux.GroupId()));

    private static void Give(string path, (uint User, uint Group) owner)
    {
        if (Linux.UserId() != 0 || Linux.Owner(path) == owner.User) return; // all below a folder belongs to whom it belongs
        GiveAll(path, owner);
    }

    private static void GiveAll(string path, (uint User, uint Group) owner)
    {
        var entry = new DirectoryInfo(path);
        if (entry.Exists && entry.LinkTarget is null) foreach (var below in entry.EnumerateFileSystemInfos("*", new EnumerationOptions { AttributesToSkip = 0 }))
        {
            if (below is DirectoryInfo && below.LinkTarget is null) GiveAll(below.FullName, owner);
            else _ = Linux.ChangeOwner(below.FullName, owner.User, owner.Group);
        }
        _ = Linux.ChangeOwner(path, owner.User, owner.Group); // last: cut off, it begins anew
    }
}
