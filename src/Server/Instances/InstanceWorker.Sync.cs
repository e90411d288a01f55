using McpCan.Server.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>Code that is mounted instead of uploaded: where a volume says so, a change of its files begins a new run.</summary>
internal sealed partial class InstanceWorker
{
    private FolderWatch? _files;
    private long _filesGeneration;
    private IReadOnlyList<VolumeMount> _watchedVolumes = [];
    private volatile string? _changedFile, _unseen;

    /// <summary>Watches what is to be watched; true when the instance was changed and has to be read again.</summary>
    private async Task<bool> RestartForChangesAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<VolumeMount> wanted = _instance is { ShouldRun: true, Deleting: false, Mode: InstanceModes.Managed, Source.Volumes: { } volumes } ? [.. volumes.Where(v => v.RestartOnChange)] : [];
        // Anew for each generation, before its run begins: the folder may be another one by now, and no change falls between.
        if (!wanted.SequenceEqual(_watchedVolumes) || (wanted is not [] && _filesGeneration != _instance.Generation))
        {
            _files?.Dispose();
            (_files, _watchedVolumes, _filesGeneration, _changedFile) = (null, wanted, _instance.Generation, null);
            if (wanted is not []) await WatchFilesAsync(wanted, cancellationToken);
        }
        if (_unseen is { } why)
        {
            _unseen = null;
            await NotWatchedAsync(why, cancellationToken);
        }
        if (_changedFile is not { } file) return false;
        _changedFile = null;
        if (_run is null && Sleeps) return false; // it wakes with the files as they are then
        await using var db = await services.Databases.CreateDbContextAsync(cancellationToken);
        if (await db.Instances.FirstOrDefaultAsync(i => i.Id == id, cancellationToken) is not { ShouldRun: true, Deleting: false } now || now.Generation != _instance.Generation) return true;
        now.Generation++;
        now.Revision++;
        now.Status = now.Status with { State = InstanceStates.Starting, Reason = null, Phase = null, Since = _time.GetUtcNow() };
        try
        {
            await services.Changes.SaveAsync(db, now, "files-changed", null, file.Length == 0 ? "Files changed." : $"{file} changed.", cancellationToken);
        }
        catch (DbUpdateConcurrencyException)
        {
            // Changed in this moment, by a person perhaps: look again.
            _changedFile = file;
        }
        return true;
    }

    private async Task WatchFilesAsync(IReadOnlyList<VolumeMount> volumes, CancellationToken cancellationToken)
    {
        var unseen = 0;
        try
        {
            var folders = volumes.Select(v => VolumePaths.Host(v, services.Options.VolumeRoots, services.Options.Data)).Distinct().ToList();
            _files = FolderWatch.Start(folders, Changed, Unseen, _time);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            await NotWatchedAsync(e.Message, cancellationToken);
        }

        void Changed(string file)
        {
            _changedFile = file;
            Nudge();
        }

        // Told once for each folder that cannot be watched; one of them is enough.
        void Unseen(string why)
        {
            if (Interlocked.Exchange(ref unseen, 1) == 1) return;
            _unseen = why;
            Nudge();
        }
    }

    private Task NotWatchedAsync(string why, CancellationToken cancellationToken) =>
        services.Changes.NoteAsync(id, "not-watched", $"Changes of files do not restart the server. {why}", cancellationToken);
}
