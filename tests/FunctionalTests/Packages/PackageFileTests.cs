using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using McpCan.Tests;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests.Packages;

public abstract class PackageFileTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static readonly byte[] Project = Archives.Zip(("server.py", "one\ntwo\nthree\n"), ("lib/old.py", "gone"), ("logo.bin", "a\0b"));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private async Task<string> UploadAsync(byte[] archive, string fileName = "code.zip", string? notes = null, string? package = null)
    {
        var form = new MultipartFormDataContent { { new ByteArrayContent(archive), "file", fileName } };
        if (package is null) form.Add(new StringContent("f " + Guid.NewGuid().ToString("N")), "name");
        if (notes is not null) form.Add(new StringContent(notes), "notes");
        var answer = await app.Operator.PostAsync(package is null ? "api/v1/packages" : $"api/v1/packages/{package}/versions", form, Cancel);
        Assert.True(answer.StatusCode == HttpStatusCode.Created, await answer.Content.ReadAsStringAsync(Cancel));
        return (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString()!;
    }

    private Task<HttpResponseMessage> EditAsync(string id, int version, object files, string? notes = null) =>
        app.Operator.PatchAsJsonAsync($"api/v1/packages/{id}/versions/{version}/files", new { files, notes }, Cancel);

    private async Task<string[]> PathsAsync(string id, int version) =>
        [.. (await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/packages/{id}/versions/{version}/files", Cancel)).GetProperty("items").EnumerateArray().Select(i => i.GetProperty("path").GetString()!)];

    private Task<string> TextAsync(string id, int version, string path) => app.Viewer.GetStringAsync($"api/v1/packages/{id}/versions/{version}/files/{path}", Cancel);

    [Fact]
    public async Task Files_OfAVersion_AreListedAndRead()
    {
        var id = await UploadAsync(Project, notes: "The first.");

        Assert.Equal(["lib/old.py", "logo.bin", "server.py"], await PathsAsync(id, 1));
        Assert.Equal("gone", await TextAsync(id, 1, "lib/old.py"));
        var answer = await app.Viewer.GetAsync($"api/v1/packages/{id}/versions/1/files/logo.bin", Cancel);
        Assert.Equal("application/octet-stream", answer.Content.Headers.ContentType?.MediaType);
        Assert.Equal("attachment", answer.Content.Headers.ContentDisposition?.DispositionType);
        Assert.Equal("a\0b", await answer.Content.ReadAsStringAsync(Cancel));
        await app.Viewer.GetAsync($"api/v1/packages/{id}/versions/1/files/none.py", Cancel).ProblemAsync(HttpStatusCode.NotFound, "not-found");
        await app.Viewer.GetAsync($"api/v1/packages/{id}/versions/9/files", Cancel).ProblemAsync(HttpStatusCode.NotFound, "not-found");
        var package = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/packages/{id}", Cancel);
        Assert.Equal("The first.", package.GetProperty("versions")[0].GetProperty("notes").GetString());
    }

    [Fact]
    public async Task Edit_ChangesAddsAndRemoves_InANewVersion()
    {
        var id = await UploadAsync(Project);

        var answer = await EditAsync(id, 1, new Dictionary<string, object?> { ["server.py"] = new { text = "one\n2\nthree\n" }, ["lib/new.py"] = new { text = "é" }, ["lib/old.py"] = null }, "Better.");

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var version = (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("versions")[1];
        Assert.Equal(("Better.", 1, 2), (version.GetProperty("notes").GetString(), version.GetProperty("basedOn").GetInt32(), version.GetProperty("version").GetInt32()));
        Assert.Equal(["lib/new.py", "logo.bin", "server.py"], await PathsAsync(id, 2));
        Assert.Equal("é", await TextAsync(id, 2, "lib/new.py"));
        Assert.Equal("a\0b", await TextAsync(id, 2, "logo.bin"));
        Assert.Equal("one\ntwo\nthree\n", await TextAsync(id, 1, "server.py"));
        await Eventually.HoldsAsync(() => !Directory.EnumerateFileSystemEntries(Path.Combine(app.Data, "tmp")).Any());
    }

    [Fact]
    public async Task Put_OneFile_MakesANewVersion()
    {
        var id = await UploadAsync(Project);

        var answer = await app.Operator.PutAsync($"api/v1/packages/{id}/versions/1/files/docs/read.me?notes=n", new StringContent("hello", Encoding.UTF8, "text/plain"), Cancel);

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.Equal("hello", await TextAsync(id, 2, "docs/read.me"));
        await app.Operator.PutAsync($"api/v1/packages/{id}/versions/1/files/x.py", new ByteArrayContent([0xff, 0xfe]) { Headers = { ContentType = new("text/plain") } }, Cancel).ProblemAsync(HttpStatusCode.BadRequest, "invalid");
    }

    [Theory]
    [InlineData("../evil.py", HttpStatusCode.BadRequest, "invalid")]
    [InlineData("/etc/passwd", HttpStatusCode.BadRequest, "invalid")]
    [InlineData("a//b", HttpStatusCode.BadRequest, "invalid")]
    [InlineData("a\\b", HttpStatusCode.BadRequest, "invalid")]
    [InlineData("lib", HttpStatusCode.BadRequest, "bad-archive")]
    [InlineData("server.py/x", HttpStatusCode.BadRequest, "bad-archive")]
    public async Task Edit_OfABadPath_IsRefusedAndLeavesNothing(string path, HttpStatusCode status, string code)
    {
        var id = await UploadAsync(Project);

        await EditAsync(id, 1, new Dictionary<string, object> { [path] = new { text = "x" } }).ProblemAsync(status, code);

        Assert.Single((await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/packages/{id}", Cancel)).GetProperty("versions").EnumerateArray());
        await Eventually.HoldsAsync(() => !Directory.EnumerateFileSystemEntries(Path.Combine(app.Data, "tmp")).Any());
    }

    [Fact]
    public async Task Edit_OfAMissingFileOrNothingOrByAViewer_IsRefused()
    {
        var id = await UploadAsync(Project);

        await EditAsync(id, 1, new Dictionary<string, object?> { ["none.py"] = null }).ProblemAsync(HttpStatusCode.NotFound, "not-found");
        await EditAsync(id, 1, new Dictionary<string, object>()).ProblemAsync(HttpStatusCode.BadRequest, "invalid");
        await app.Viewer.PatchAsJsonAsync($"api/v1/packages/{id}/versions/1/files", new { files = new { } }, Cancel).ProblemAsync(HttpStatusCode.Forbidden, "forbidden");
        await app.Viewer.DeleteAsync($"api/v1/packages/{id}/versions/1", Cancel).ProblemAsync(HttpStatusCode.Forbidden, "forbidden");
    }

    [Fact]
    public async Task Edit_OfATar_KeepsRightsLinksAndHardLinks()
    {
        var id = await UploadAsync(Archives.TarGz(tar =>
        {
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "./run.sh") { DataStream = new MemoryStream("#!/bin/sh"u8.ToArray()), Mode = (UnixFileMode)0x1ed });
            tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "link") { LinkName = "run.sh" });
            tar.WriteEntry(new PaxTarEntry(TarEntryType.HardLink, "hard") { LinkName = "./run.sh" });
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "server.py") { DataStream = new MemoryStream("a"u8.ToArray()) });
        }), "code.tar.gz");

        Assert.Equal(HttpStatusCode.Created, (await EditAsync(id, 1, new Dictionary<string, object> { ["server.py"] = new { text = "b" } })).StatusCode);

        using var edited = new ZipArchive(await app.Viewer.GetStreamAsync($"api/v1/packages/{id}/versions/2/download", Cancel));
        Assert.Equal(["hard", "link", "run.sh", "server.py"], edited.Entries.Select(e => e.FullName).Order());
        Assert.Equal(0x81ed, edited.GetEntry("run.sh")!.ExternalAttributes >> 16 & 0xffff);
        Assert.Equal(0xa1ff, edited.GetEntry("link")!.ExternalAttributes >> 16 & 0xffff);
        Assert.Equal("#!/bin/sh", await new StreamReader(edited.GetEntry("hard")!.Open()).ReadToEndAsync(Cancel));
        using var zip = new ZipArchive(await app.Viewer.GetStreamAsync($"api/v1/packages/{id}/versions/1/download?format=zip", Cancel));
        Assert.Equal(4, zip.Entries.Count);
    }

    [Fact]
    public async Task Compare_TwoVersions_ShowsFilesAndLines()
    {
        var id = await UploadAsync(Project);
        await EditAsync(id, 1, new Dictionary<string, object?> { ["server.py"] = new { text = "one\n2\nthree\n" }, ["new.py"] = new { text = "n\n" }, ["lib/old.py"] = null });

        var difference = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/packages/{id}/diff?from=1&to=2", Cancel);

        Assert.Equal(3, difference.GetProperty("total").GetInt32());
        var files = difference.GetProperty("files").EnumerateArray().ToList();
        Assert.Equal(["lib/old.py removed", "new.py added", "server.py changed"], files.Select(f => $"{f.GetProperty("path").GetString()} {f.GetProperty("change").GetString()}"));
        Assert.Equal("@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n", files[2].GetProperty("diff").GetString());
        Assert.Equal("@@ -0,0 +1,1 @@\n+n\n", files[1].GetProperty("diff").GetString());
        Assert.Equal(0, (await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/packages/{id}/diff?from=2&to=2", Cancel)).GetProperty("total").GetInt32());
    }

    [Fact]
    public async Task Bundle_KeepsItsName_AndDownloadsAsUploaded()
    {
        var id = await UploadAsync(Project, "weather.mcpb");

        var download = await app.Viewer.GetAsync($"api/v1/packages/{id}/versions/1/download", Cancel);

        Assert.Equal("weather.mcpb", download.Content.Headers.ContentDisposition?.FileName);
        Assert.Equal(Project, await download.Content.ReadAsByteArrayAsync(Cancel));
    }

    [Fact]
    public async Task DeleteVersion_ThatIsUsedOrTheLast_IsRefused_AndNumbersNeverComeBack()
    {
        var id = await UploadAsync(Project);
        await app.Operator.DeleteAsync($"api/v1/packages/{id}/versions/1", Cancel).ProblemAsync(HttpStatusCode.Conflict, "last-version");
        await UploadAsync(Project, package: id);
        var usage = app.Services.GetRequiredService<FakeUsage>();
        lock (usage) usage.InUse.Add(id);

        await app.Operator.DeleteAsync($"api/v1/packages/{id}/versions/1", Cancel).ProblemAsync(HttpStatusCode.Conflict, "in-use");
        var users = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/packages/{id}/users", Cancel);
        Assert.Equal(("weather", 1), (users[0].GetProperty("name").GetString(), users[0].GetProperty("version").GetInt32()));
        Assert.Equal(HttpStatusCode.NoContent, (await app.Operator.DeleteAsync($"api/v1/packages/{id}/versions/2", Cancel)).StatusCode);
        await UploadAsync(Project, package: id);

        var package = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/packages/{id}", Cancel);
        Assert.Equal([1, 3], package.GetProperty("versions").EnumerateArray().Select(v => v.GetProperty("version").GetInt32()));
    }
}

public sealed class SqlitePackageFileTests(SqlitePackageApp app) : PackageFileTests<SqlitePackageApp>(app);

public sealed class PostgresPackageFileTests(PostgresPackageApp app) : PackageFileTests<PostgresPackageApp>(app);
