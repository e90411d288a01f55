using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>A named volume of an environment.</summary>
/// <param name="Name">Its name.</param>
/// <param name="CreatedAt">When it was made, where that is known.</param>
/// <param name="UsedBy">Servers that have it, also stopped ones.</param>
public sealed record VolumeView(string Name, DateTimeOffset? CreatedAt, IReadOnlyList<VolumeUser> UsedBy);

/// <summary>A server that has a volume.</summary>
public sealed record VolumeUser(string Id, string Name);

/// <summary>A new volume.</summary>
/// <param name="Name">Its name: 2 to 63 letters, digits, dots, dashes and underscores.</param>
public sealed record VolumeInput(string? Name);

/// <summary>The commands on named volumes; API and console call the same.</summary>
public sealed partial class VolumeManager(EnvironmentMap environments, IDbContextFactory<McpCanDb> databases, ILogger<VolumeManager> logger)
{
    /// <summary>The volumes that an environment keeps for this installation.</summary>
    public Task<IReadOnlyList<VolumeView>> ListAsync(string environment, CancellationToken cancellationToken) => AskAsync<IReadOnlyList<VolumeView>>(environment, async runtime =>
    {
        var volumes = await runtime.ListVolumesAsync(cancellationToken);
        var users = await UsersAsync(environment, cancellationToken);
        return [.. volumes.Select(v => new VolumeView(v.Name, v.CreatedAt, [.. users[v.Name]]))];
    });

    /// <summary>Makes a volume.</summary>
    /// <exception cref="ProblemException">The name is wrong or taken.</exception>
    public Task<VolumeView> CreateAsync(string environment, VolumeInput input, string actor, CancellationToken cancellationToken) => AskAsync(environment, async runtime =>
    {
        var checks = new Checks();
        VolumeRules.Name(input.Name, "name", checks);
        checks.Throw();
        if (!await runtime.CreateVolumeAsync(input.Name!, cancellationToken)) throw new ProblemException(409, "volume-taken", $"There is a volume '{input.Name}' already.");
        Created(input.Name!, environment, actor);
        return new VolumeView(input.Name!, (await runtime.ListVolumesAsync(cancellationToken)).FirstOrDefault(v => v.Name == input.Name)?.CreatedAt, []);
    });

    /// <summary>Deletes a volume with all that is in it; refused while a server has it.</summary>
    public Task DeleteAsync(string environment, string name, string actor, CancellationToken cancellationToken) => AskAsync(environment, async runtime =>
    {
        // Only what is listed: of a name that is none nothing is asked.
        if (!(await runtime.ListVolumesAsync(cancellationToken)).Any(v => v.Name == name)) throw ProblemException.NotFound("volume", name);
        if ((await UsersAsync(environment, cancellationToken))[name].ToList() is { Count: > 0 } users)
            throw new ProblemException(409, "volume-in-use", $"The volume '{name}' belongs to {string.Join(", ", users.Select(u => $"'{u.Name}'"))}. Take it out of their configuration first.");
        if (await runtime.DeleteVolumeAsync(name, cancellationToken)) Deleted(name, environment, actor);
        return true;
    });

    private async Task<ILookup<string, VolumeUser>> UsersAsync(string environment, CancellationToken cancellationToken)
    {
        await using var db = await databases.CreateDbContextAsync(cancellationToken);
        var instances = await db.Instances.AsNoTracking().Where(i => i.Environment == environment).OrderBy(i => i.Name).ToListAsync(cancellationToken);
        return instances.SelectMany(i => (i.Source?.Volumes ?? []).Where(v => v.Kind == VolumeMount.Named).Select(v => v.Source).Distinct().Select(v => (v, i))).ToLookup(u => u.v, u => new VolumeUser(u.i.Id, u.i.Name));
    }

    private async Task<T> AskAsync<T>(string environment, Func<IRuntime, Task<T>> ask)
    {
        var runtime = environments.Find(environment) ?? throw ProblemException.NotFound("environment", environment);
        try
        {
            return await ask(runtime);
        }
        catch (Runtimes.Docker.EngineUnreachableException e)
        {
            throw new ProblemException(503, "environment-unreachable", e.Message);
        }
        catch (Runtimes.Docker.EngineRefusedException e)
        {
            throw new ProblemException(409, "engine-refused", e.Message);
        }
    }

    [LoggerMessage(1, LogLevel.Information, "Volume {Name} of environment {Environment} was made by {Actor}")]
    private partial void Created(string name, string environment, string actor);

    [LoggerMessage(2, LogLevel.Information, "Volume {Name} of environment {Environment} was deleted with all that was in it by {Actor}")]
    private partial void Deleted(string name, string environment, string actor);
}
