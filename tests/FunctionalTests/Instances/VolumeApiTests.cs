using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Server.Hosting;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>What the API says of volumes, and that servers keep their files in them.</summary>
public abstract class VolumeApiTests<TApp> : IClassFixture<TApp>, IDisposable where TApp : TestApp, IVolumeApp
{
    private readonly TApp _app;

    /// <summary>A folder of the administrator's, open for volumes.</summary>
    protected VolumeApiTests(TApp app)
    {
        _app = app;
        Directory.CreateDirectory(Path.Combine(app.Open, "files"));
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task NamedVolume_IsMade_Listed_KeptWhileAServerHasIt_AndDeleted()
    {
        var name = Mark();
        var made = await _app.Operator.PostAsJsonAsync("api/v1/environments/local/volumes", new { name }, Cancel);
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        Assert.Equal($"/api/v1/environments/local/volumes/{name}", made.Headers.Location?.ToString());
        await _app.Operator.PostAsJsonAsync("api/v1/environments/local/volumes", new { name }, Cancel).ProblemAsync(HttpStatusCode.Conflict, "volume-taken");
        var server = await CreateAsync(new { type = "command", command = "true", volumes = new[] { new { kind = "named", source = name, target = "/data" } } });

        var listed = (await _app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/environments/local/volumes?search={name}", Cancel)).GetProperty("items")[0];
        Assert.Equal(server.GetProperty("id").GetString(), listed.GetProperty("usedBy")[0].GetProperty("id").GetString());
        var refused = await _app.Operator.DeleteAsync($"api/v1/environments/local/volumes/{name}", Cancel).ProblemAsync(HttpStatusCode.Conflict, "volume-in-use");
        Assert.Contains(server.GetProperty("name").GetString()!, refused.GetProperty("detail").GetString(), StringComparison.Ordinal);
        await PatchAsync(server, new { source = new { volumes = (object?)null } });

        Assert.Equal(HttpStatusCode.NoContent, (await _app.Operator.DeleteAsync($"api/v1/environments/local/volumes/{name}", Cancel)).StatusCode);
        await _app.Operator.DeleteAsync($"api/v1/environments/local/volumes/{name}", Cancel).ProblemAsync(HttpStatusCode.NotFound);
    }

    [Theory]
    [InlineData("moon", "x1", "/data", null, "kind")]
    [InlineData("named", "no-such-volume", "/data", null, "source")]
    [InlineData("named", "../up", "/data", null, "source")]
    [InlineData("named", "/etc", "/data", null, "source")]
    [InlineData("host", "files", "/data", null, "source")]
    [InlineData("host", "/etc", "/data", null, "source")]
    [InlineData("host", "{open}/files/../..", "/data", null, "source")]
    [InlineData("host", "{open}/link", "/data", null, "source")]
    [InlineData("host", "{open}/nowhere", "/data", null, "source")]
    [InlineData("host", "{data}", "/data", null, "source")]
    [InlineData("host", "{open}/files", "data", null, "target")]
    [InlineData("host", "{open}/files", "/", null, "target")]
    [InlineData("host", "{open}/files", "/app", null, "target")]
    [InlineData("host", "{open}/files", "/app/data", null, "target")]
    [InlineData("host", "{open}/files", "/opt", null, "target")]
    [InlineData("host", "{open}/files", "/proc/sys", null, "target")]
    [InlineData("host", "{open}/files", "/home/mcp/x", null, "target")]
    [InlineData("host", "{open}/files", "/srv/../etc", null, "target")]
    [InlineData("host", "{open}/files", "/data", "../..", "subPath")]
    [InlineData("host", "{open}/files", "/data", "/etc", "subPath")]
    public async Task Volume_IsChecked(string kind, string source, string target, string? subPath, string field)
    {
        if (!Path.Exists(Path.Combine(_app.Open, "link"))) File.CreateSymbolicLink(Path.Combine(_app.Open, "link"), "/etc");
        source = source.Replace("{open}", _app.Open, StringComparison.Ordinal).Replace("{data}", _app.Data, StringComparison.Ordinal);

        var problem = await PostAsync(new { type = "command", command = "true", volumes = new[] { new { kind, source, target, subPath } } }).ProblemAsync(HttpStatusCode.BadRequest);

        Assert.True(problem.GetProperty("errors").TryGetProperty($"source.volumes[0].{field}", out _), problem.GetRawText());
    }

    [Fact]
    public async Task TwoVolumes_InOnePlace_AreRefused()
    {
        object Volume(string target) => new { kind = "host", source = Path.Combine(_app.Open, "files"), target };

        foreach (var other in (string[])["/data", "/data/below", "/srv"])
        {
            var problem = await PostAsync(new { type = "command", command = "true", volumes = new[] { Volume("/data"), Volume("/srv/x"), Volume(other) } }).ProblemAsync(HttpStatusCode.BadRequest);
            Assert.True(problem.GetProperty("errors").TryGetProperty("source.volumes[2].target", out _), problem.GetRawText());
        }
        await PostAsync(new { type = "command", command = "true", volumes = Enumerable.Range(0, 21).Select(n => Volume($"/data{n}")).ToArray() }).ProblemAsync(HttpStatusCode.BadRequest);
        await PostAsync(new { type = "command", command = "true", volumes = new object?[] { null } }).ProblemAsync(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task FolderBelowOneThatAnotherServerMayWrite_IsRefused()
    {
        var below = Directory.CreateDirectory(Path.Combine(_app.Open, Mark(), "below")).FullName;
        object Source(string folder, bool readOnly) => new { type = "command", command = "true", volumes = new[] { new { kind = "host", source = folder, target = "/data", readOnly } } };
        var writer = await CreateAsync(Source(Path.GetDirectoryName(below)!, readOnly: false));

        var problem = await PostAsync(Source(below, readOnly: true)).ProblemAsync(HttpStatusCode.BadRequest);
        Assert.Contains(writer.GetProperty("name").GetString()!, problem.GetProperty("errors").GetProperty("source.volumes[0]")[0].GetString(), StringComparison.Ordinal);
        await CreateAsync(Source(Path.GetDirectoryName(below)!, readOnly: false));
        await _app.Operator.DeleteAsync($"api/v1/instances/{writer.GetProperty("id").GetString()}", Cancel);
    }

    [Fact]
    public async Task Server_KeepsItsFilesInAVolume_OverRestarts_AndAChangeOfVolumesRestartsIt()
    {
        var name = Mark();
        await _app.Operator.PostAsJsonAsync("api/v1/environments/local/volumes", new { name }, Cancel);
        const string count = "import os,sys\nopen('/data/starts','a').write('x')\nprint('starts', len(open('/data/starts').read()), file=sys.stderr, flush=True)\n";
        object Source(object volume) => new { type = "command", command = "python3", args = new[] { "-c", count + TinyServers.Echo }, volumes = new[] { volume } };
        var server = await CreateAsync(Source(new { kind = "named", source = name, target = "/data", subPath = "mine" }), start: true, spares: 0);
        await SaysAsync(server, "starts 1");

        await _app.Operator.PostAsync($"api/v1/instances/{server.GetProperty("id").GetString()}/restart", null, Cancel);
        await SaysAsync(server, "starts 2");
        await PatchAsync(server, new { source = new { volumes = new[] { new { kind = "host", source = Path.Combine(_app.Open, "files"), target = "/data" } } } });

        await SaysAsync(server, "starts 1");
        Assert.Equal("x", await File.ReadAllTextAsync(Path.Combine(_app.Open, "files", "starts"), Cancel));
        await _app.Operator.DeleteAsync($"api/v1/instances/{server.GetProperty("id").GetString()}", Cancel);
        await Eventually.HoldsAsync(async () => (await _app.Admin.GetAsync($"api/v1/instances/{server.GetProperty("id").GetString()}", Cancel)).StatusCode == HttpStatusCode.NotFound);
        Assert.Contains(name, (await _app.Viewer.GetStringAsync("api/v1/environments/local/volumes", Cancel)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task CodeInAMountedFolder_ThatChanges_RestartsTheServer_AndOnlyThen()
    {
        var (code, other) = (Directory.CreateDirectory(Path.Combine(_app.Open, Mark())).FullName, Directory.CreateDirectory(Path.Combine(_app.Open, Mark())).FullName);
        Task WriteAsync(string text) => File.WriteAllTextAsync(Path.Combine(code, "server.py"), $"import sys\nprint('{text}', file=sys.stderr, flush=True)\n{TinyServers.Echo}", Cancel);
        await WriteAsync("first");
        var server = await CreateAsync(new
        {
            type = "command",
            command = "python3",
            args = new[] { "server.py" },
            workingDirectory = "/code",
            volumes = new object[]
            {
                new { kind = "host", source = code, target = "/code", readOnly = true, restartOnChange = true },
                new { kind = "host", source = other, target = "/other", readOnly = true },
            },
        }, start: true, spares: 0);
        await SaysAsync(server, "first");

        // Neither of these counts …
        await File.WriteAllTextAsync(Path.Combine(other, "notes.txt"), "unwatched", Cancel);
        await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(code, "__pycache__")).FullName, "server.pyc"), "ignored", Cancel);
        // … a fault does, and so does its mend.
        await File.WriteAllTextAsync(Path.Combine(code, "server.py"), "import no_such_module", Cancel);
        await Eventually.HoldsAsync(async () => (await _app.Viewer.GetStringAsync($"api/v1/instances/{Id(server)}", Cancel)).Contains("no_such_module", StringComparison.Ordinal));
        await WriteAsync("second");
        await SaysAsync(server, "second");

        var events = (await _app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{Id(server)}/events", Cancel)).GetProperty("items").EnumerateArray();
        var changes = events.Where(e => e.GetProperty("kind").GetString() == "files-changed").Select(e => e.GetProperty("detail").GetString()).ToList();
        Assert.NotEmpty(changes);
        Assert.All(changes, c => Assert.Equal("server.py changed.", c));
        await _app.Operator.DeleteAsync($"api/v1/instances/{Id(server)}", Cancel);
    }

    [Fact]
    public async Task RestartOnChange_NeedsAFolderThatTheServerOnlyReads()
    {
        var folder = Path.Combine(_app.Open, "files");

        foreach (var volume in (object[])[new { kind = "host", source = folder, target = "/code", restartOnChange = true }, new { kind = "named", source = "notes", target = "/code", readOnly = true, restartOnChange = true }])
        {
            var problem = await PostAsync(new { type = "command", command = "true", volumes = new[] { volume } }).ProblemAsync(HttpStatusCode.BadRequest);
            Assert.True(problem.GetProperty("errors").TryGetProperty("source.volumes[0].restartOnChange", out _), problem.GetRawText());
        }
        var outside = await PostAsync(new { type = "command", command = "true", workingDirectory = "/codex", volumes = new[] { new { kind = "host", source = folder, target = "/code" } } }).ProblemAsync(HttpStatusCode.BadRequest);
        Assert.True(outside.GetProperty("errors").TryGetProperty("source.workingDirectory", out _), outside.GetRawText());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Directory.Exists(Path.Combine(_app.Open, "files"))) Directory.Delete(Path.Combine(_app.Open, "files"), recursive: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Until the current run's log has the line.</summary>
    private Task SaysAsync(JsonElement server, string line) => Eventually.HoldsAsync(async () =>
        (await _app.Viewer.GetStringAsync($"api/v1/instances/{server.GetProperty("id").GetString()}/logs?run=current", Cancel)).Contains(line, StringComparison.Ordinal));

    private Task<HttpResponseMessage> PostAsync(object source) => _app.Operator.PostAsJsonAsync("api/v1/instances", new { name = Mark(), source, start = false }, Cancel);

    private async Task<JsonElement> CreateAsync(object source, bool start = false, int spares = 1)
    {
        var answer = await _app.Operator.PostAsJsonAsync("api/v1/instances", new { name = Mark(), source, start, processes = "shared", limits = new { warmSpares = spares } }, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private async Task PatchAsync(JsonElement server, object patch)
    {
        var answer = await _app.Operator.PatchAsJsonAsync($"api/v1/instances/{server.GetProperty("id").GetString()}", patch, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
    }

    private static string? Id(JsonElement server) => server.GetProperty("id").GetString();

    private static string Mark() => $"v{Guid.NewGuid():N}"[..20];
}

/// <summary>A platform whose administrator opened a folder.</summary>
public interface IVolumeApp
{
    /// <summary>The folder.</summary>
    string Open { get; }
}

/// <summary>On SQLite.</summary>
public sealed class VolumeApiTestsOnSqlite(VolumeApiTestsOnSqlite.App app) : VolumeApiTests<VolumeApiTestsOnSqlite.App>(app)
{
    /// <summary>With a folder opened.</summary>
    public sealed class App : SqliteApp, IVolumeApp, IDisposable
    {
        /// <inheritdoc/>
        public string Open { get; } = Directory.CreateTempSubdirectory("mcpcan-open-").FullName;

        /// <summary>Opens it.</summary>
        public App() => Settings[nameof(McpCanOptions.VolumeRoots)] = Open;

        /// <inheritdoc/>
        public void Dispose() => Directory.Delete(Open, recursive: true);
    }
}

/// <summary>On PostgreSQL.</summary>
public sealed class VolumeApiTestsOnPostgres(VolumeApiTestsOnPostgres.App app) : VolumeApiTests<VolumeApiTestsOnPostgres.App>(app)
{
    /// <summary>With a folder opened.</summary>
    public sealed class App : PostgresApp, IVolumeApp, IDisposable
    {
        /// <inheritdoc/>
        public string Open { get; } = Directory.CreateTempSubdirectory("mcpcan-open-").FullName;

        /// <summary>Opens it.</summary>
        public App() => Settings[nameof(McpCanOptions.VolumeRoots)] = Open;

        /// <inheritdoc/>
        public void Dispose() => Directory.Delete(Open, recursive: true);
    }
}
