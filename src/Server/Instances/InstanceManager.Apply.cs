using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Instances;

/// <summary>From what a person or script sends to an instance.</summary>
public sealed partial class InstanceManager
{
    private async Task<Instance> NewAsync(McpCanDb db, InstanceInput input, string actor, CancellationToken cancellationToken)
    {
        var now = _time.GetUtcNow();
        var checks = new Checks();
        var instance = new Instance
        {
            Id = Ids.New("i"),
            Name = input.Name,
            Slug = input.Slug ?? await FreeSlugAsync(db, InstanceRules.Slug(input.Name), cancellationToken),
            Mode = input.Mode,
            Environment = input.Environment ?? (input.Mode == InstanceModes.Managed ? _environments.Default : EnvironmentMap.Local),
            Source = input.Source?.Over(null, checks),
            Remote = input.Remote is null ? null : _remotes.Over(null, input.Remote, checks),
            Virtual = input.Virtual,
            Processes = input.Processes ?? "per-session",
            Limits = (input.Limits ?? new LimitsInput()).Over(new()),
            MinimumIsolation = input.MinimumIsolation,
            Registry = Registry(null, input.Registry, checks),
            Egress = EgressInput.Over(input.Egress),
            TokenRequired = input.Access?.TokenRequired ?? true,
            QueryTokenAllowed = input.Access?.QueryToken ?? false,
            Capture = input.Traffic?.Capture,
            TrafficLimits = input.Access?.Limits.Value?.Over(null),
            ShouldRun = input.Start,
            CreatedAt = now,
            UpdatedAt = now,
            CreatedBy = actor,
        };
        if (input.Env is not null) SetEnv(instance, input.Env!, checks);
        if (InstanceModes.Missing(instance) is { } missing && (missing.Field != "source" || input.Source is null)) checks.That(false, missing.Field, missing.Message);
        Place(instance, checks);
        await InstanceRules.CheckAsync(db, instance, checks, cancellationToken);
        checks.Throw();
        await VolumesAsync(instance, cancellationToken);
        if (instance.Mode == InstanceModes.Direct) Turn(instance, InstanceStates.Registered, null);
        else Turn(instance, input.Start ? InstanceStates.Starting : InstanceStates.Stopped, input.Start ? null : "Not started yet.");
        return instance;
    }

    /// <summary>Applies and checks; answers the names of the fields that were given.</summary>
    private async Task<List<string>> ApplyAsync(McpCanDb db, Instance instance, InstancePatch patch, CancellationToken cancellationToken)
    {
        var fields = new List<string>();
        var checks = new Checks();
        var mode = instance.Mode;
        if (Given(patch.Name, "name")) instance.Name = patch.Name.Value ?? "";
        if (Given(patch.Slug, "slug")) instance.Slug = patch.Slug.Value ?? "";
        if (Given(patch.Mode, "mode")) instance.Mode = patch.Mode.Value ?? "";
        if (Given(patch.Source, "source")) instance.Source = patch.Source.Value?.Over(instance.Source, checks);
        if (Given(patch.Remote, "remote")) instance.Remote = patch.Remote.Value is { } remote ? _remotes.Over(instance.Remote, remote, checks) : null;
        if (Given(patch.Virtual, "virtual")) instance.Virtual = patch.Virtual.Value;
        if (Given(patch.Processes, "processes")) instance.Processes = patch.Processes.Value ?? "per-session";
        if (Given(patch.Limits, "limits")) instance.Limits = patch.Limits.Value?.Over(instance.Limits) ?? new();
        if (Given(patch.MinimumIsolation, "minimumIsolation")) instance.MinimumIsolation = patch.MinimumIsolation.Value;
        if (Given(patch.Registry, "registry")) instance.Registry = Registry(instance.Registry, patch.Registry.Value, checks);
        if (Given(patch.Egress, "egress")) instance.Egress = EgressInput.Over(patch.Egress.Value);
        if (Given(patch.Environment, "environment")) instance.Environment = patch.Environment.Value ?? EnvironmentMap.Local;
        var placed = fields.Contains("environment") || fields.Contains("egress") || fields.Contains("mode") || fields.Contains("source") || fields.Contains("limits");
        if (placed) Place(instance, checks);
        if (Given(patch.Access, "access"))
        {
            instance.TokenRequired = patch.Access.Value?.TokenRequired ?? (patch.Access.Value is null || instance.TokenRequired);
            instance.QueryTokenAllowed = patch.Access.Value?.QueryToken ?? (patch.Access.Value is not null && instance.QueryTokenAllowed);
            if (patch.Access.Value is null) instance.TrafficLimits = null;
            else if (patch.Access.Value.Limits.Given) instance.TrafficLimits = patch.Access.Value.Limits.Value?.Over(instance.TrafficLimits);
        }
        if (Given(patch.Traffic, "traffic")) instance.Capture = patch.Traffic.Value?.Capture;
        if (Given(patch.Env, "env"))
        {
            // A new dictionary, so that the change is seen.
            instance.Env = patch.Env.Value is null ? [] : new(instance.Env);
            if (patch.Env.Value is { } env) SetEnv(instance, env, checks);
        }
        if (InstanceModes.Missing(instance) is { } missing)
        {
            if (instance.Mode != mode) throw new ProblemException(422, "mode-incomplete", $"The mode cannot change to '{instance.Mode}'. {missing.Message}", new Dictionary<string, string[]> { [missing.Field] = [missing.Message] });
            checks.That(false, missing.Field, missing.Message);
        }
        await InstanceRules.CheckAsync(db, instance, checks, cancellationToken);
        checks.Throw();
        if (placed) await VolumesAsync(instance, cancellationToken);
        return fields;

        bool Given<T>(Patch<T> field, string name)
        {
            if (field.Given) fields.Add(name);
            return field.Given;
        }
    }

    /// <summary>Where it runs must be there, and able to do what is asked.</summary>
    private void Place(Instance instance, Checks checks)
    {
        var runtime = _environments.Find(instance.Environment);
        checks.That(runtime is not null, "environment", $"There is no environment '{instance.Environment}'. Use one of: {string.Join(", ", _environments.All.Keys.Order(StringComparer.Ordinal))}.");
        if (instance.Mode != InstanceModes.Managed || runtime is null) return;
        var most = _environments.Limits(instance.Environment);
        if (most.MemoryBytes is { } memory) checks.That(instance.Limits.MemoryBytes > 0 && instance.Limits.MemoryBytes <= memory, "limits.memoryBytes", $"This environment gives at most {memory >> 20} MiB to a server.");
        if (most.Cpus is { } cpus) checks.That(instance.Limits.Cpus > 0 && instance.Limits.Cpus <= cpus, "limits.cpus", FormattableString.Invariant($"This environment gives at most {cpus} cores to a server."));
        checks.That(instance.Source is not ImageSource || runtime.Kind != "process", "environment", "An image needs a container environment.")
            .That(instance.Source?.Http is null || runtime.Kind != "process", "source.http", "A server that listens by itself needs a container environment: on this machine anybody here could reach its port.")
            .That(instance.Egress.Mode == "open" || runtime.Kind != "process", "egress", "Processes of this machine always have the network. Use a container environment.");
    }

    /// <summary>Volumes must be there, in the environment where it runs: after a move, too, since what is in them does not follow.</summary>
    private async Task VolumesAsync(Instance instance, CancellationToken cancellationToken)
    {
        if (instance.Mode != InstanceModes.Managed || instance.Source?.Volumes is not { Count: > 0 } volumes || _environments.Find(instance.Environment) is not { } runtime) return;
        var checks = new Checks();
        for (var n = 0; n < volumes.Count; n++)
        {
            if (await runtime.CheckVolumeAsync(volumes[n], cancellationToken) is { } fault) checks.That(false, $"{VolumeRules.Field(n)}.source", fault);
        }
        checks.Throw();
    }

    private RegistryCredentials? Registry(RegistryCredentials? stored, RegistryInput? input, Checks checks)
    {
        if (input is null) return null;
        checks.That(input.UserName is { Length: > 0 and <= 200 } name && !name.Any(char.IsControl), "registry.userName", "Must have 1 to 200 characters.")
            .That(input.Password is null ? stored is not null : input.Password.Length is > 0 and <= 32_768, "registry.password", "Must be given, with at most 32,768 characters.");
        return new(input.UserName, input.Password is { } password ? _protector.Protect(password) : stored?.Password ?? "");
    }

    private void SetEnv(Instance instance, IReadOnlyDictionary<string, EnvInput?> env, Checks checks)
    {
        foreach (var (name, input) in env)
        {
            var stored = instance.Env.GetValueOrDefault(name);
            if (input is null) instance.Env.Remove(name);
            else if (input.Keep) checks.That(stored is { Secret: true }, $"env.{name}", "There is no stored secret to keep; give its value.");
            else if (input.Secret)
            {
                checks.That(input.Value!.Length <= 32_768, $"env.{name}", "The value is longer than 32,768 characters.");
                instance.Env[name] = new EnvValue(_protector.Protect(input.Value), true);
            }
            else instance.Env[name] = new EnvValue(input.Value ?? "", false);
        }
    }

    private static async Task<string> FreeSlugAsync(McpCanDb db, string slug, CancellationToken cancellationToken)
    {
        var taken = await db.Instances.Where(i => i.Slug.StartsWith(slug)).Select(i => i.Slug).ToListAsync(cancellationToken);
        if (!taken.Contains(slug)) return slug;
        for (var n = 2; ; n++)
        {
            if (!taken.Contains($"{slug}-{n}")) return $"{slug}-{n}";
        }
    }
}
