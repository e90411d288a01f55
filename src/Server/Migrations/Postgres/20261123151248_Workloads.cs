using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace McpCan.Server.Migrations.Postgres
{
    /// <inheritdoc />
    public partial class Workloads : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "Registry",
                table: "Instances",
                type: "text",
                nullable: true);

            migrationBuilder.AddColumn<int>(
                name: "BasedOn",
                table: "PackageVersions",
                type: "integer",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "Notes",
                table: "PackageVersions",
                type: "text",
                nullable: true);

            migrationBuilder.AddColumn<int>(
                name: "LastVersion",
                table: "Packages",
                type: "integer",
                nullable: false,
                defaultValue: 0);

            migrationBuilder.AddColumn<string>(
                name: "Egress",
                table: "Instances",
                type: "text",
                nullable: false,
                defaultValueSql: "'{\"mode\":\"open\"}'");

            migrationBuilder.AddColumn<string>(
                name: "Rollout",
                table: "Instances",
                type: "text",
                nullable: true);

            migrationBuilder.CreateTable(
                name: "Deployments",
                columns: table => new
                {
                    Id = table.Column<string>(type: "text", nullable: false),
                    InstanceId = table.Column<string>(type: "text", nullable: false),
                    PackageId = table.Column<string>(type: "text", nullable: false),
                    Version = table.Column<int>(type: "integer", nullable: false),
                    Previous = table.Column<int>(type: "integer", nullable: true),
                    Trial = table.Column<bool>(type: "boolean", nullable: false),
                    State = table.Column<string>(type: "text", nullable: false),
                    Reason = table.Column<string>(type: "text", nullable: true),
                    Log = table.Column<string>(type: "text", nullable: false),
                    Tools = table.Column<string>(type: "text", nullable: true),
                    Actor = table.Column<string>(type: "text", nullable: false),
                    StartedAt = table.Column<long>(type: "bigint", nullable: false),
                    EndedAt = table.Column<long>(type: "bigint", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_Deployments", x => x.Id);
                });

            migrationBuilder.CreateIndex(
                name: "IX_Deployments_InstanceId_StartedAt",
                table: "Deployments",
                columns: new[] { "InstanceId", "StartedAt" });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(
                name: "Registry",
                table: "Instances");

            migrationBuilder.DropTable(
                name: "Deployments");

            migrationBuilder.DropColumn(
                name: "BasedOn",
                table: "PackageVersions");

            migrationBuilder.DropColumn(
                name: "Notes",
                table: "PackageVersions");

            migrationBuilder.DropColumn(
                name: "LastVersion",
                table: "Packages");

            migrationBuilder.DropColumn(
                name: "Egress",
                table: "Instances");

            migrationBuilder.DropColumn(
                name: "Rollout",
                table: "Instances");
        }
    }
}
